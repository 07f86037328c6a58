"""How the test database is emptied after a test that commits: sooner than by Django's `flush`, and to the same state.

`flush` truncates all tables, then makes content types and permissions anew: with other numbers, and without the groups
that a migration made. Here the rows that the migrations left are copied back. Each test finds the same database, and
servers may remember the numbers that they saw first.
"""

from django.db import connection, transaction
from django.test import TransactionTestCase

_SCHEMA = "test_start"
# Bytes. Deleting few rows is faster than truncating twenty tables. What has grown is truncated, so that no test finds
# the dead rows or the statistics of a large population before it.
_LARGE = 64 * 1024
# The names of all tables, none of which needs quotes, and of those that have rows at the start.
_tables: list[str] = []
_filled: list[str] = []


def install() -> None:
    """Have `empty` take the place of `flush`."""
    TransactionTestCase._fixture_teardown = lambda _: empty()  # type: ignore[attr-defined]


def remember() -> None:
    """Keep a copy of the rows that the migrations left."""
    _tables[:] = sorted(set(connection.introspection.table_names()) - {"django_migrations"})
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE SCHEMA {_SCHEMA}")
        for table in _tables:
            cursor.execute(f"SELECT EXISTS (SELECT FROM {table})")  # noqa: S608
            if cursor.fetchone()[0]:
                cursor.execute(f"CREATE TABLE {_SCHEMA}.{table} AS TABLE {table}")
                _filled.append(table)


def empty() -> None:
    """Empty all tables, but for the rows that `remember` has kept."""
    if _size_of_largest() > _LARGE:
        statements = [f"TRUNCATE {', '.join(_tables)}"]
    else:
        # The lock waits for requests that a test has hung up on: they may still write.
        statements = [f"LOCK TABLE {', '.join(_tables)} IN SHARE ROW EXCLUSIVE MODE"]
        statements += [f"DELETE FROM {table}" for table in _tables]  # noqa: S608
    statements += [f"INSERT INTO {table} TABLE {_SCHEMA}.{table}" for table in _filled]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("; ".join(statements))


def _size_of_largest() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT max(pg_relation_size(oid)) FROM pg_class WHERE relnamespace = 'public'::regnamespace")
        size: int = cursor.fetchone()[0]
        return size
