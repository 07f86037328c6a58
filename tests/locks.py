"""Which connections wait for which: so that a test can go on when another process stands still, and not sooner."""

from django.db import connection


def is_waited_for() -> bool:
    """Whether some other connection waits for a lock that this thread's transaction has."""
    with connection.cursor() as cursor:
        # Not `pg_stat_activity`, of which a transaction sees one moment only.
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid)))"
        )
        found: bool = cursor.fetchone()[0]
        return found


def count_waiting() -> int:
    """How many connections to this database wait for a lock, whoever has it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(DISTINCT waiting.pid)"
            "  FROM pg_locks waiting JOIN pg_locks here ON here.pid = waiting.pid"
            "  JOIN pg_database ON pg_database.oid = here.database AND datname = current_database()"
            " WHERE NOT waiting.granted"
        )
        found: int = cursor.fetchone()[0]
        return found
