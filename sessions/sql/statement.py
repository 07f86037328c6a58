"""Statements that requests wait for: planned once per database connection, their rows in binary.

Django's cursor writes the parameters into the text, so that PostgreSQL parses and plans each one anew, and
reads each value of the answer from text. This goes one layer below, to psycopg's own `pq`, for the few
statements that every request comes by. What nobody waits for, the ORM does.
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
Value = str | bytes | bool | int | float | datetime | UUID | list[UUID] | None

_PARAMETER = re.compile(r"%\((\w+)\)s")
_DONE = (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK)
# What was prepared is gone (`DEALLOCATE ALL`), or a migration has changed a column under it.
_STALE = (errors.InvalidSqlStatementName, errors.FeatureNotSupported)
_numbers = count(1)


class Statement:
    """SQL with `%(name)s` for its parameters. Made once, at the top of a module.

    Where PostgreSQL can't tell a parameter's type, the SQL says it. No column is of the type `inet` or
    `jsonb`, which Django has its own ways to read.
    """

    def __init__(self, sql: str) -> None:
        self.names = list(dict.fromkeys(_PARAMETER.findall(sql)))
        self.sql = _PARAMETER.sub(lambda match: f"${self.names.index(match[1]) + 1}", sql)

    def fetch_all(self, **values: Value) -> list[Row]:
        """Run it, in Django's transaction if one is under way, else by itself; returns its rows.

        By itself, it borrows a connection of the pool for just that long.

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
                    pool.putconn(borrowed)  # which sees to one that is broken
        if django.queries_logged:
            django.queries_log.append({"sql": self.sql, "time": f"{time.monotonic() - began:.3f}"})
        return rows

    def look_up(self, **values: Value) -> Row | None:
        """The first row of a query that changes nothing, so that it may be asked twice.

        It is asked again when the connection breaks meanwhile: the server was started anew.

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
        if not on.autocommit and on.pgconn.transaction_status == pq.TransactionStatus.IDLE:
            # psycopg begins a transaction before its first statement; this is not one of its own.
            _checked(on, on.pgconn.exec_(b"BEGIN"))
        # Kept on the connection, for it goes with it: its name there, and how to load its columns.
        prepared: dict[Statement, tuple[bytes, Any]] = vars(on).setdefault("statements", {})
        try:
            return self._execute(on, prepared, values)
        except _STALE as error:
            if isinstance(error, errors.InvalidSqlStatementName):
                prepared.clear()  # the others are gone, too
            prepared.pop(self, None)
            if on.pgconn.transaction_status != pq.TransactionStatus.IDLE:
                raise  # nothing goes on in a transaction after an error
        return self._execute(on, prepared, values)

    def _execute(
        self, on: psycopg.Connection[Any], prepared: dict["Statement", tuple[bytes, Any]], values: dict[str, Value]
    ) -> list[Row]:
        name, loaders = prepared.get(self) or (b"zapauth_%d" % next(_numbers), None)
        if loaders is None:
            _checked(on, on.pgconn.prepare(name, self.sql.encode()))
        parameters: list[Any] = [_dump(values[each]) for each in self.names]
        result = _checked(on, on.pgconn.exec_prepared(name, parameters, None, pq.Format.BINARY))
        if loaders is None:
            _, loaders = prepared[self] = name, Transformer(on)
            loaders.set_pgresult(result)
        else:
            loaders.set_pgresult(result, set_loaders=False)
        return loaders.load_rows(0, result.ntuples, tuple)


def _django() -> Any:
    """This thread's connection of Django's, looked up once: PostgreSQL's, which has a pool."""
    return connections[DEFAULT_DB_ALIAS]


def _dump(value: Value) -> bytes | None:
    """As PostgreSQL reads it from text."""
    if value is None:
        return None
    if isinstance(value, bytes):
        return b"\\x" + value.hex().encode()
    if isinstance(value, list):
        return f"{{{','.join(map(str, value))}}}".encode()
    text = str(value)
    if "\0" in text:
        raise psycopg.DataError("a text can't hold NUL (0x00)")
    return text.encode()


def _is_lost(cause: BaseException | None) -> bool:
    """Whether a statement failed because its connection ended; not because it took too long, or none was free."""
    if not isinstance(cause, psycopg.OperationalError) or isinstance(cause, PoolTimeout):
        return False
    return cause.sqlstate is None or cause.sqlstate.startswith("57P")  # 57P01: the server is being stopped


def _checked(on: psycopg.Connection[Any], result: pq.abc.PGresult) -> pq.abc.PGresult:
    if result.status in _DONE:
        return result
    if on.pgconn.status == pq.ConnStatus.BAD or not result.error_field(pq.DiagnosticField.SQLSTATE):
        # The connection's last words have no SQLSTATE. Over a Unix socket it isn't always marked as bad by then.
        raise psycopg.OperationalError(result.get_error_message())
    raise errors.error_from_result(result)
