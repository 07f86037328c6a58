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
