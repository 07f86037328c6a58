"""The database's time. Use it for every decision about sessions, tokens, codes and attempts.

Servers' clocks differ, but all servers share one database. SQL statements use `clock_timestamp()`; Python code calls
`database_now`.
"""

from datetime import datetime
from typing import cast

from django.db import connection
from django.db.models import DateTimeField, Func


class DatabaseNow(Func):
    """The database's time as an expression in a query, for example as an annotation."""

    function = "clock_timestamp"
    output_field = DateTimeField()


def database_now() -> datetime:
    """Return the database's time now, in UTC. Costs one short statement."""
    with connection.cursor() as cursor:
        # Not now(): in a transaction this is the time when it began, which may be before a long wait for a lock.
        cursor.execute("SELECT clock_timestamp()")
        return cast(datetime, cursor.fetchone()[0])
