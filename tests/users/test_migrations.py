"""The migrations make the tables that the models describe, and can be undone."""

from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations import RunSQL

from users.models import App


def test_the_migrations_make_what_the_models_describe(db):
    out = StringIO()
    call_command("makemigrations", "--check", "--dry-run", stdout=out)
    assert out.getvalue() == "No changes detected\n"


@pytest.mark.parametrize("app", ["users", "user_sessions"])
def test_the_migrations_of_an_app_have_one_order(db, app):
    loader = MigrationLoader(connection)
    names = sorted(name for label, name in loader.disk_migrations if label == app)
    assert [int(name.partition("_")[0]) for name in names] == list(range(1, len(names) + 1))
    assert len(loader.graph.leaf_nodes(app)) == 1


def test_the_triggers_can_be_undone_and_made_again(db):
    migration = MigrationLoader(connection).get_migration("users", "0001_initial")
    operations = [operation for operation in migration.operations if isinstance(operation, RunSQL)]
    app = App.objects.create(name="app", session_epoch=2)
    with connection.cursor() as cursor:
        for operation in reversed(operations):
            cursor.execute(operation.reverse_sql)
        App.objects.update(session_epoch=1)
        app.refresh_from_db()
        assert app.session_epoch == 1
        for operation in operations:
            cursor.execute(operation.sql)
    App.objects.update(session_epoch=0)
    app.refresh_from_db()
    assert app.session_epoch == 1
