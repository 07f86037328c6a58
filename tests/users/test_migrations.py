"""The migrations make the tables that the models describe, and can be undone."""

from io import StringIO

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations import RunSQL

from users.models import App, SecurityEvent


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


def statements_of(name):
    migration = MigrationLoader(connection).get_migration("users", name)
    return [operation for operation in migration.operations if isinstance(operation, RunSQL)]


def test_the_triggers_of_the_record_can_be_undone_and_made_again(db):
    (operation,) = statements_of("0002_security_event")
    entry = SecurityEvent.objects.create(event="login")
    with connection.cursor() as cursor:
        cursor.execute(operation.reverse_sql)
        entry.delete()
        cursor.execute(operation.sql)
    SecurityEvent.objects.create(event="login")
    with pytest.raises(DatabaseError, match="append-only"):
        SecurityEvent.objects.all().delete()


def test_the_triggers_can_be_undone_and_made_again(db):
    operations = statements_of("0001_initial")
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
