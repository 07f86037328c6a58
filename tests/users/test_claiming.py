"""An advisory lock on a connection of its own."""

import time

import pytest
from django.db import connection

from users.claiming import claimed
from zapauth import migrating

KEY = (0x5A00, 1)
# An administrator may have set these limits for the role.
LIMITS = "-c transaction_timeout=200ms -c idle_in_transaction_session_timeout=200ms"


@pytest.fixture
def limited(transactional_db, monkeypatch):
    if connection.pg_version < 170000:
        pytest.skip("this PostgreSQL has no limit for a transaction")
    parameters = connection.get_connection_params()
    monkeypatch.setattr(connection, "get_connection_params", lambda: parameters | {"options": LIMITS})


def is_held():
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND classid = %s)", [KEY[0]])
        return cursor.fetchone()[0]


def test_the_lock_is_held_for_longer_than_the_roles_limits(limited):
    with claimed(KEY) as is_alone:
        assert is_alone
        time.sleep(0.5)
        assert is_held()
    assert not is_held()


def test_a_migrations_lock_is_held_for_longer_than_the_roles_limits(limited, monkeypatch):
    monkeypatch.setattr(migrating, "_LOCK", KEY)
    held = []

    def migrate():
        time.sleep(0.5)
        held.append(is_held())

    migrating.migrate_patiently(migrate)
    assert held == [True]
