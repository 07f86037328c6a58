"""Migrate one process at a time, without holding requests up.

Two processes that migrate at the same time would make the same tables, and build the same indexes twice. So a process
holds an advisory lock while it migrates, and others wait for it.

While a migration waits for a lock on a table, all requests that use the table wait behind it. So it waits for a quarter
of a second at most, for example for the transaction of a backup, and tries again. An attempt that fails changes
nothing: what has been migrated is recorded, and the next attempt goes on there.
"""

import logging
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import psycopg
from django.conf import settings
from django.db import OperationalError, connection
from django.db.migrations.executor import MigrationExecutor

logger = logging.getLogger("zapauth.server")

# In seconds. Waiting requests go on in between.
PAUSE = 1.0
# While another process migrates, say so this often, in seconds.
TELL_EVERY = 60.0
# One of PostgreSQL's advisory locks: two numbers that nothing else uses.
_LOCK = (0x5A4D, 0)
_SECONDS_TO_CONNECT = 5
# With keepalives PostgreSQL notices within five seconds that this machine is gone, and releases the lock. It has
# `transaction_timeout` since version 17.
_CLAIM = """
SELECT set_config('tcp_keepalives_idle', '2', true),
       set_config('tcp_keepalives_interval', '1', true),
       set_config('tcp_keepalives_count', '3', true),
       set_config('idle_in_transaction_session_timeout', '0', true),
       (SELECT set_config(name, '0', true) FROM pg_settings WHERE name = 'transaction_timeout'),
       pg_try_advisory_xact_lock(%s, %s)
"""
_HOLDER = """
SELECT a.pid, a.application_name
  FROM pg_locks JOIN pg_database d ON d.oid = database JOIN pg_stat_activity a USING (pid)
 WHERE locktype = 'advisory' AND d.datname = current_database() AND granted
   AND classid::bigint = %s AND objid::bigint = %s
"""


def is_up_to_date() -> bool:
    """Return whether the database has all migrations of this version."""
    executor = MigrationExecutor(connection)
    return not executor.migration_plan(executor.loader.graph.leaf_nodes())


def migrate_patiently(migrate: Callable[[], object], *, is_needless: Callable[[], bool] = is_up_to_date) -> None:
    """Call ``migrate`` while no other process migrates the database.

    Call it again while it can't get a lock on a table, for `MIGRATION_LOCK_TIMEOUT`.

    Args: is_needless: asked once, if another process migrates now. If it returns true, ``migrate`` is not called: a
        server of the previous version must not wait for the indexes of the next one.

    Raises: OperationalError, when that time is over, or the database can't be reached.
    """
    with _alone(is_needless) as is_ours:
        if is_ours:
            try_patiently(migrate)


def try_patiently(migrate: Callable[[], object]) -> None:
    """Call ``migrate``, and again while it can't get a lock, for `MIGRATION_LOCK_TIMEOUT`.

    Raises: OperationalError, when that time is over.
    """
    limit = settings.MIGRATION_LOCK_TIMEOUT
    deadline = time.monotonic() + limit if limit else float("inf")
    has_told = False
    while True:
        try:
            migrate()
            return
        except OperationalError as error:
            if not isinstance(error.__cause__, psycopg.errors.LockNotAvailable) or time.monotonic() >= deadline:
                raise
            if not has_told:
                logger.warning("a migration waits until another transaction ends, and lets requests pass meanwhile")
            has_told = True
        time.sleep(PAUSE)


@contextmanager
def _alone(is_needless: Callable[[], bool]) -> Iterator[bool]:
    """Wait until no other process migrates, and keep others out. Yields: False, if that is needless.

    A transaction on a separate connection holds the lock. So PostgreSQL releases it as soon as this process dies. It
    also works through PgBouncer in transaction mode. A transaction of this isolation level has no snapshot between two
    statements, so a build of an index does not wait for it. For the same reason nobody waits in a statement for the
    lock: the build would wait for that statement, and that statement for the build.
    """
    name = f"zapauth migrates on {socket.gethostname()}"[:63]
    parameters = connection.get_connection_params() | {
        "connect_timeout": _SECONDS_TO_CONNECT,
        "application_name": name,
    }
    with connection.wrap_database_errors, closing(psycopg.connect(**parameters)) as link:
        link.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
        told_at = None
        while not _claim(link):
            if told_at is None and is_needless():
                logger.info("another process migrates the database, which has all migrations of this version already")
                yield False
                return
            if told_at is None or time.monotonic() - told_at >= TELL_EVERY:
                logger.warning("waiting until another process has migrated the database: %s", _holder(link))
                told_at = time.monotonic()
            time.sleep(PAUSE)
        yield True


def _claim(link: "psycopg.Connection[Any]") -> bool:
    row = link.execute(_CLAIM, _LOCK).fetchone()
    assert row is not None  # noqa: S101  # it is a SELECT without a table
    if not row[-1]:
        link.rollback()
    return bool(row[-1])


def _holder(link: "psycopg.Connection[Any]") -> str:
    row = link.execute(_HOLDER, _LOCK).fetchone()
    link.rollback()
    return f"{row[1]}, process {row[0]} of PostgreSQL" if row else "it has just ended"
