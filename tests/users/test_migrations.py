"""Migrations that change what is stored: on rows, there and back."""

import pytest
from django.db import connection
from django.db.migrations.loader import MigrationLoader

from users.models import User


@pytest.mark.parametrize("number", ["63847623874682374682376", "7", "0", "-1", "9" * 40, None])
def test_a_role_id_that_was_a_number_becomes_its_digits_and_a_number_again_on_the_way_back(db, number):
    loader = MigrationLoader(connection)
    migration = loader.get_migration("users", "0009_role_id_is_text")
    before = loader.project_state(migration.dependencies)
    user = User.objects.create_user("ann", role_id=number)
    with connection.schema_editor(atomic=False) as editor:
        migration.unapply(before.clone(), editor)
    assert stored_as(user) == (number and f"{number}::numeric")
    with connection.schema_editor(atomic=False) as editor:
        migration.apply(before.clone(), editor)
    assert stored_as(user) == (number and f"{number}::character varying")


def stored_as(user):
    with connection.cursor() as cursor:
        cursor.execute("SELECT role_id || '::' || pg_typeof(role_id) FROM users_user WHERE id = %s", [user.pk])
        return cursor.fetchone()[0]
