"""The database backend: Django's PostgreSQL backend with our pool. Each connection gets the time limits of its use."""

from contextlib import suppress
from typing import Any

import psycopg
from django.conf import settings
from django.db.backends.base.base import NO_DB_ALIAS
from django.db.backends.postgresql import base
from psycopg import pq

from users.database_use import Use, use
from zapauth.postgresql.pool import Pool

# Defaults for DATABASE_URL. They detect a vanished host within three seconds instead of two hours.
_CONNECTING = {
    "connect_timeout": 2,
    "keepalives_idle": 5,
    "keepalives_interval": 1,
    "keepalives_count": 3,
    "tcp_user_timeout": 3000,
}


class DatabaseWrapper(base.DatabaseWrapper):
    _has_own_limits = False

    @property
    def pool(self) -> Pool | None:
        options = self.settings_dict["OPTIONS"].get("pool")
        if self.alias == NO_DB_ALIAS or not options:
            return None
        pools: dict[str, Pool] = self._connection_pools  # type: ignore[attr-defined]  # the stubs lack it
        if self.alias not in pools:
            parameters = self.get_connection_params() | {"autocommit": True}
            # Two threads may make a pool at the same time. One pool is used; the other one was never opened.
            pool = Pool(kwargs=parameters, open=False, configure=self._configure_connection, **options)
            pools.setdefault(self.alias, pool)
        return pools[self.alias]

    def get_connection_params(self) -> dict[str, Any]:
        # Connections beside the pool, such as those that hold an advisory lock, need these, too: without them a thread
        # would wait for a quarter of an hour for a host that has vanished.
        return _CONNECTING | super().get_connection_params()

    def _configure_connection(self, connection: Any) -> bool:
        # Prepared statements (`users.statement`) find rows by key, so one plan fits all parameters. PostgreSQL would
        # otherwise plan the first five executions anew, at 0.6 ms for a logout. This runs before any transaction, so
        # no rollback undoes it.
        _run(connection, b"SET plan_cache_mode = force_generic_plan")
        return bool(super()._configure_connection(connection))  # type: ignore[misc]

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        connection = super().get_new_connection(conn_params)
        self._has_own_limits = self.pool is not None and use() is not Use.REQUEST
        if self._has_own_limits:
            try:
                _run(connection, _limiting(use()))
            except psycopg.Error:
                connection._pool.putconn(connection)
                raise
        return connection

    def _close(self) -> None:
        if self.connection is not None and self._has_own_limits:
            self._has_own_limits = False
            _forget_limits(self.connection)
        super()._close()  # type: ignore[misc]


def _limiting(what: Use) -> bytes:
    lock, statement = settings.TIME_LIMITS[what]
    return f"SET lock_timeout = '{lock}s'; SET statement_timeout = '{statement}s'".encode()


def _forget_limits(connection: psycopg.Connection[Any]) -> None:
    """Reset the limits to those of requests, the default of a connection. If that fails, close the connection."""
    with suppress(psycopg.Error):
        if connection.pgconn.transaction_status == pq.TransactionStatus.IDLE:
            _run(connection, b"RESET lock_timeout; RESET statement_timeout")
            return
    connection.pgconn.finish()


def _run(connection: psycopg.Connection[Any], statements: bytes) -> None:
    # This bypasses Django's cursor: it is one round trip, and does not count as a query.
    result = connection.pgconn.exec_(statements)
    if result.status != pq.ExecStatus.COMMAND_OK:
        raise psycopg.OperationalError(result.get_error_message())
