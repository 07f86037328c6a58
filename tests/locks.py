"""Count the connections that wait for a lock, so that a test goes on exactly when another thread or process waits."""

from django.db import connection


def is_waited_for() -> bool:
    """Return whether another connection waits for a lock of this thread's transaction."""
    with connection.cursor() as cursor:
        # `pg_stat_activity` would not do: a transaction sees only one snapshot of it.
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid)))"
        )
        found: bool = cursor.fetchone()[0]
        return found


def count_waiting() -> int:
    """Count the connections to this database that wait for any lock."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(DISTINCT waiting.pid)"
            "  FROM pg_locks waiting JOIN pg_locks here ON here.pid = waiting.pid"
            "  JOIN pg_database ON pg_database.oid = here.database AND datname = current_database()"
            " WHERE NOT waiting.granted"
        )
        found: int = cursor.fetchone()[0]
        return found
