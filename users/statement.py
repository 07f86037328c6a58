"""Prepared statements for the hot paths: planned once per connection, with rows in binary.

Django's cursor writes the parameters into the SQL. So PostgreSQL parses and plans each statement anew, and sends each
value as text. This module calls `psycopg.pq`, the layer below psycopg's cursors. The reason is speed: the public
`psycopg.Cursor.execute(…, prepare=True, binary=True)` costs 39 to 55 µs more CPU for each statement, which is 9 to 14 %
of an authenticated read. Everything else uses the ORM.
"""

import re
import time
from datetime import datetime
from itertools import count
from typing import Any
from uuid import UUID

import psycopg
from django.db import DEFAULT_DB_ALIAS, OperationalError, connections
from psycopg import errors, pq
from psycopg.adapt import Transformer
from psycopg_pool import PoolTimeout

Row = tuple[Any, ...]
_Prepared = tuple[bytes, Any]  # the statement's name on the connection, and psycopg's loaders for its columns
Value = str | bytes | bool | int | float | datetime | UUID | list[str] | list[int] | list[float] | list[UUID] | None

_PARAMETER = re.compile(r"%\((\w+)\)s")
_DONE = (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK)
# The server no longer has the prepared statement (`DEALLOCATE ALL`), or a migration has changed one of its columns.
_STALE = (errors.InvalidSqlStatementName, errors.FeatureNotSupported)
_numbers = count(1)


class Statement:
    """SQL with `%(name)s` for its parameters. Make each one once, at the top of a module.

    Where PostgreSQL can't tell the type of a parameter, write a cast. Don't select a column of the type `inet` or
    `jsonb`: the ORM converts these values in a second step, and this class doesn't.
    """

    def __init__(self, sql: str) -> None:
        self.names = list(dict.fromkeys(_PARAMETER.findall(sql)))
        self.sql = _PARAMETER.sub(lambda match: f"${self.names.index(match[1]) + 1}", sql)

    def fetch_all(self, **values: Value) -> list[Row]:
        """Run the statement and return its rows.

        If a transaction of Django is open, the statement joins it. Otherwise it commits by itself, on a connection
        that it borrows from the pool for this statement only.

        Raises: django.db.Error.
        """
        django = _django()
        began = time.monotonic()
        with django.wrap_database_errors:
            if django.connection is not None:
                django.validate_no_broken_transaction()
                rows = self._run(django.connection, values)
            else:
                pool = django.pool
                pool.open()
                borrowed = pool.getconn()
                try:
                    rows = self._run(borrowed, values)
                finally:
                    pool.putconn(borrowed)  # the pool replaces the connection if it is broken
        if django.queries_logged:
            django.queries_log.append({"sql": self.sql, "time": f"{time.monotonic() - began:.3f}"})
        return rows

    def look_up(self, **values: Value) -> Row | None:
        """Return the first row of a query that changes nothing.

        If the connection breaks meanwhile, for example because the server restarts, the query is sent a second time.

        Raises: django.db.Error.
        """
        try:
            rows = self.fetch_all(**values)
        except OperationalError as error:
            if _django().connection is not None or not _is_lost(error.__cause__):
                raise
            rows = self.fetch_all(**values)
        return rows[0] if rows else None

    def _run(self, on: psycopg.Connection[Any], values: dict[str, Value]) -> list[Row]:
        # Stored on the connection, because prepared statements live as long as the connection.
        prepared: dict[Statement, _Prepared] | None = vars(on).get("statements")
        if prepared is None:
            prepared = vars(on)["statements"] = {}
        if not on.autocommit and on.pgconn.transaction_status == pq.TransactionStatus.IDLE:
            # psycopg's own cursors begin the transaction with their first statement. `psycopg.pq` doesn't do that.
            _checked(on, on.pgconn.exec_(b"BEGIN"))
        try:
            return self._execute(on, prepared, values)
        except _STALE:
            prepared.clear()
            if on.pgconn.transaction_status != pq.TransactionStatus.IDLE:
                raise  # after an error the transaction can't go on
        return self._execute(on, prepared, values)

    def _execute(
        self, on: psycopg.Connection[Any], prepared: dict["Statement", _Prepared], values: dict[str, Value]
    ) -> list[Row]:
        name, loaders = prepared.get(self, (b"", None))
        if loaders is None:
            name = b"zapauth_%d" % next(_numbers)
            _checked(on, on.pgconn.prepare(name, self.sql.encode()))
        parameters: list[Any] = [_dump(values[each]) for each in self.names]
        result = _checked(on, on.pgconn.exec_prepared(name, parameters, None, pq.Format.BINARY))
        if loaders is None:
            loaders = Transformer(on)
            loaders.set_pgresult(result)
            prepared[self] = name, loaders
        else:
            loaders.set_pgresult(result, set_loaders=False)
        rows: list[Row] = loaders.load_rows(0, result.ntuples, tuple)
        return rows


def _django() -> Any:
    """Return Django's connection of this thread. It is our backend's, which has a pool."""
    return connections[DEFAULT_DB_ALIAS]


def _dump(value: Value) -> bytes | None:
    """Return ``value`` in PostgreSQL's text format. Raises: psycopg.DataError, for a text with NUL."""
    if value is None:
        return None
    if isinstance(value, bytes):
        return b"\\x" + value.hex().encode()
    text = f"{{{','.join(map(_element, value))}}}" if isinstance(value, list) else str(value)
    if "\0" in text:
        raise psycopg.DataError("a text can't hold NUL (0x00)")
    return text.encode()


def _element(value: str | float | UUID) -> str:
    """Return ``value`` as PostgreSQL writes an element of an array."""
    if not isinstance(value, str):
        return str(value)
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _is_lost(cause: BaseException | None) -> bool:
    """Return whether a statement failed because its connection broke. A time-out or an empty pool does not count."""
    if not isinstance(cause, psycopg.OperationalError) or isinstance(cause, PoolTimeout):
        return False
    return cause.sqlstate is None or cause.sqlstate.startswith("57P")  # 57P01: the server is being stopped


def _checked(on: psycopg.Connection[Any], result: pq.abc.PGresult) -> pq.abc.PGresult:
    if result.status in _DONE:
        return result
    if on.pgconn.status == pq.ConnStatus.BAD or not result.error_field(pq.DiagnosticField.SQLSTATE):
        # An error that ends the connection has no SQLSTATE. Over a Unix socket libpq may mark it as bad later.
        raise psycopg.OperationalError(result.get_error_message())
    raise errors.error_from_result(result)
