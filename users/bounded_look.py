"""Look for rows of a large table for a short time only.

PostgreSQL finds most pages of a list by an index. Some filters have none, and few rows may match. Then it would read
the whole table for one page. So a look has an end: it says how far it came, and the next look goes on from there.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Any

from django.db import OperationalError, connection, transaction
from django.db.models import QuerySet

from users.keyset import Order, Place

# Both times are parts of the half second in which a page of a list should be there.
AT_ONCE_MS = 250
LOOK_FOR = 0.3  # seconds
# How many rows of the table the first step of a look passes. Each further step passes twice as many.
FIRST_STEP, LONGEST_STEP = 20_000, 80_000
_CANCELED = "57014"


@dataclass(frozen=True)
class Found:
    """The places of rows. ``looked_to``: the look ended there, and further rows may match; None: it saw all rows."""

    places: list[Place]
    looked_to: Place | None = None


def look(
    matching: QuerySet[Any],
    everything: QuerySet[Any],
    order: Order,
    *,
    after: Place | None,
    most: int,
    by_steps: bool = False,
) -> Found:
    """Find the first ``most`` rows of ``matching`` after a place.

    Args:
        everything: all rows of the list. An index must have its order.
        by_steps: an earlier look took too long, so don't try to find all at once.
    """
    started = monotonic()
    if not by_steps:
        try:
            with at_most(AT_ONCE_MS):
                return Found(list(order.keys(_rest(matching, order, after))[:most]))
        except OperationalError as error:
            if not is_timeout(error):
                raise
    return _look_by_steps(matching, everything, order, after, most, until=started + LOOK_FOR)


def _look_by_steps(
    matching: QuerySet[Any],
    everything: QuerySet[Any],
    order: Order,
    after: Place | None,
    most: int,
    *,
    until: float,
) -> Found:
    """Look at the next rows of the list until the time is over. The first step is always made."""
    step, found = FIRST_STEP, list[Place]()
    while True:
        # The index alone finds the place. Then the other conditions are checked on these rows only.
        stop = order.keys(_rest(everything, order, after))[step - 1 : step].first()
        rows = _rest(matching, order, after)
        if stop is not None:
            rows = rows.filter(order.up_to(stop))
        found += order.keys(rows)[: most - len(found)]
        if stop is None or len(found) == most:
            return Found(found)
        if monotonic() > until:
            return Found(found, looked_to=stop)
        after, step = stop, min(2 * step, LONGEST_STEP)


def _rest(rows: QuerySet[Any], order: Order, after: Place | None) -> QuerySet[Any]:
    return rows if after is None else rows.filter(order.after(after))


@contextmanager
def at_most(milliseconds: int) -> Iterator[None]:
    """Let PostgreSQL cancel a statement of the block that takes longer than this."""
    with transaction.atomic(), connection.cursor() as cursor:
        limit = "SELECT current_setting('statement_timeout'), set_config('statement_timeout', %s, true)"
        cursor.execute(limit, (str(milliseconds),))
        before = cursor.fetchone()[0]
        yield
        cursor.execute("SELECT set_config('statement_timeout', %s, true)", (before,))


def is_timeout(error: OperationalError) -> bool:
    """Return whether PostgreSQL canceled the statement because it took too long."""
    return getattr(error.__cause__, "sqlstate", None) == _CANCELED
