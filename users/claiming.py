"""Let one process alone do a piece of work, by an advisory lock of PostgreSQL."""

from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

import psycopg
from django.db import connection
from psycopg import sql

SECONDS_TO_CONNECT = 5
# With keepalives PostgreSQL notices within five seconds that a process's machine is gone. The transaction may be open
# for hours. PostgreSQL has `transaction_timeout` since version 17.
_CLAIM = sql.SQL("""
SELECT set_config('tcp_keepalives_idle', '2', true),
       set_config('tcp_keepalives_interval', '1', true),
       set_config('tcp_keepalives_count', '3', true),
       set_config('idle_in_transaction_session_timeout', '0', true),
       (SELECT set_config(name, '0', true) FROM pg_settings WHERE name = 'transaction_timeout'),
       {}(%s, %s)
""")


@contextmanager
def claimed(key: tuple[int, int], function: str = "pg_try_advisory_xact_lock") -> Iterator[bool]:
    """Take an advisory lock for this process, by a function of PostgreSQL. Yields whether that worked.

    A transaction on a separate connection holds the lock. So PostgreSQL releases it as soon as this process dies, even
    while a statement of the work waits for a lock. It also works through PgBouncer in transaction mode.

    Args: key: two numbers of 32 bits, signed. Nothing else uses them.

    Raises: Django's DatabaseError or InterfaceError, as its own connection does: then a page answers 503.
    """
    parameters = connection.get_connection_params() | {"connect_timeout": SECONDS_TO_CONNECT}
    with connection.wrap_database_errors:
        link = psycopg.connect(**parameters)
    # A transaction of another level would keep its snapshot, and VACUUM and builds of indexes would wait for it.
    link.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
    with closing(link):
        with connection.wrap_database_errors:
            row = link.execute(_CLAIM.format(sql.SQL(function)), key).fetchone()
        assert row is not None  # noqa: S101  # it is a SELECT without a table
        try:
            yield row[-1]
        finally:
            # Closing the connection is not enough: PostgreSQL would release the lock a moment later.
            with suppress(psycopg.Error):
                link.rollback()
