"""Empty the test database after a test that commits. This is faster than Django's `flush` and keeps the same state.

`flush` truncates all tables, then makes content types and permissions again. These get other numbers, and the groups
of a migration are missing. Here the rows that the migrations made are copied back. So each test finds the same
database, and servers may cache the numbers.
"""

from django.db import connection, transaction
from django.test import TransactionTestCase

_SCHEMA = "test_start"
# Bytes. To delete a few rows is faster than to truncate twenty tables. A table that has grown is truncated, so that no
# test finds the dead rows or the statistics of an earlier large population.
_LARGE = 64 * 1024
# The names of all tables, none of which needs quotes, and of the tables that have rows at the start.
_tables: list[str] = []
# The record refuses to be emptied, except in a transaction with this setting, which exists in tests only.
_EMPTYING = "SELECT set_config('test.emptying', 'on', true)"
_filled: list[str] = []


def install() -> None:
    """Replace `flush` by `empty`."""
    TransactionTestCase._fixture_teardown = lambda _: empty()  # type: ignore[attr-defined]


def remember() -> None:
    """Copy the rows that the migrations made."""
    _tables[:] = sorted(set(connection.introspection.table_names()) - {"django_migrations"})
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE SCHEMA {_SCHEMA}")
        for table in _tables:
            cursor.execute(f"SELECT EXISTS (SELECT FROM {table})")  # noqa: S608
            if cursor.fetchone()[0]:
                cursor.execute(f"CREATE TABLE {_SCHEMA}.{table} AS TABLE {table}")
                _filled.append(table)
        cursor.execute("SELECT pg_get_functiondef('users_keep_record'::regproc)")
        allowed = "BEGIN IF current_setting('test.emptying', true) = 'on' THEN RETURN OLD; END IF;"
        cursor.execute(cursor.fetchone()[0].replace("BEGIN", allowed, 1))


def empty() -> None:
    """Empty all tables, except for the rows that `remember` has copied."""
    if _size_of_largest() > _LARGE:
        statements = [f"TRUNCATE {', '.join(_tables)}"]
    else:
        # The lock waits for requests whose test has closed the connection: they may still write.
        statements = [f"LOCK TABLE {', '.join(_tables)} IN SHARE ROW EXCLUSIVE MODE"]
        statements += [f"DELETE FROM {table}" for table in _tables]  # noqa: S608
    statements += [f"INSERT INTO {table} TABLE {_SCHEMA}.{table}" for table in _filled]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("; ".join([_EMPTYING, *statements]))


def _size_of_largest() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT max(pg_relation_size(oid)) FROM pg_class WHERE relnamespace = 'public'::regnamespace")
        size: int = cursor.fetchone()[0]
        return size
