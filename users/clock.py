"""The time that decides: the database's.

Hosts have clocks that differ; all of them share one database. Whatever decides whether a session, a
token, a code or an attempt still counts compares the database's time on both sides. A statement that
decides by itself uses `clock_timestamp()`; code outside of one asks `database_now`.
"""

from datetime import datetime
from typing import cast

from django.db import connection
from django.db.models import DateTimeField, Func


class DatabaseNow(Func):
    """The same as a part of a query: each row carries the time at which it was read."""

    function = "clock_timestamp"
    output_field = DateTimeField()


def database_now() -> datetime:
    """The database's time at this moment, in UTC. One short statement."""
    with connection.cursor() as cursor:
        # Not now(): in a transaction that is when it began, which may be before a long wait for a lock.
        cursor.execute("SELECT clock_timestamp()")
        return cast(datetime, cursor.fetchone()[0])
