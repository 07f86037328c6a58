"""The database's clock in tests: `time_machine` sets Python's clock, and PostgreSQL follows.

The service asks PostgreSQL for the time (`users.clock`). In tests the schema `test_clock` stands before
`pg_catalog` in the search path (`tests.settings`), with a `clock_timestamp()` of its own. That function returns the
setting `test.now`, or else the real time. While a test travels, the setting is sent before each statement.
"""

from typing import Any
from weakref import WeakSet

import psycopg
from django.db import connection
from django.db.backends.utils import CursorWrapper
from django.utils import timezone
from psycopg.pq import TransactionStatus
from time_machine import escape_hatch

from users.statement import Statement

_FUNCTION = """
CREATE SCHEMA IF NOT EXISTS test_clock;
CREATE OR REPLACE FUNCTION test_clock.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS
$$ SELECT COALESCE(NULLIF(current_setting('test.now', true), '')::timestamptz, pg_catalog.clock_timestamp()) $$;
"""
# The connections whose setting may not be empty. It is sent before each of their statements, because a rollback would
# restore an older value. An empty setting that was sent outside of a transaction stays: the connection is forgotten.
_told: "WeakSet[psycopg.Connection[Any]]" = WeakSet()


def install() -> None:
    """Make every statement of this process follow Python's clock."""
    _before(Statement, "_run", lambda _, on: on)
    for name in ("_execute", "_executemany"):
        _before(CursorWrapper, name, lambda cursor, *_: cursor.db.connection)


def make_function() -> None:
    """Create the schema and its function in the test database."""
    with connection.cursor() as cursor:
        cursor.execute(_FUNCTION)


def _before(owner: type, name: str, connection_of: Any) -> None:
    original = getattr(owner, name)

    def first_the_time(self: Any, *arguments: Any) -> Any:
        _tell(connection_of(self, *arguments[:1]))
        return original(self, *arguments)

    setattr(owner, name, first_the_time)


def _tell(on: psycopg.Connection[Any] | None) -> None:
    is_travelling = escape_hatch.is_travelling()
    if on is None or not (is_travelling or on in _told):
        return
    _told.add(on)
    if not is_travelling and on.info.transaction_status == TransactionStatus.IDLE:
        _told.discard(on)
    now = timezone.now().isoformat() if is_travelling else ""
    # This bypasses Django's cursor, so that it does not count as a query.
    on.pgconn.exec_(f"SELECT set_config('test.now', '{now}', false)".encode())
