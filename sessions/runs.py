"""Bulk runs that nobody waits for: carried out by one at a time, and taken up again when that one is gone."""

import logging
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import UUID

from django.db import connection

from sessions.bulk import sweep_run
from sessions.models import BulkRun

logger = logging.getLogger("zapauth.sessions")

# Of PostgreSQL's advisory locks, any first number that nothing else takes.
_RUN_LOCKS = 0x5A41


def carry_out(run_id: UUID, stopped: Callable[[], bool] = lambda: False) -> None:
    """End the sessions that the run is for, unless somebody else is at it; ``stopped`` is asked after each batch."""
    with _alone(run_id) as is_alone:
        run = BulkRun.objects.filter(pk=run_id, finished_at=None).first() if is_alone else None
        if run is None:
            return
        for _ in sweep_run(run):
            if stopped():
                return


def take_up(stopped: Callable[[], bool] = lambda: False) -> None:
    """Go on with what a worker that died left behind.

    Of staff only: an operator who interrupts a command means it, and gives it again to go on.
    """
    left = BulkRun.objects.filter(source=BulkRun.Source.ADMIN, finished_at=None).order_by("started_at")
    for run_id in left.values_list("pk", flat=True):
        if stopped():
            return
        try:
            carry_out(run_id, stopped)
        except Exception:
            logger.exception("the run %s failed; it will be tried again", run_id)


@contextmanager
def _alone(run_id: UUID) -> Iterator[bool]:
    """Whether this process may carry the run out. The lock goes with the connection, however that ends."""
    key = lock_key(run_id)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", key)
        got: bool = cursor.fetchone()[0]
    try:
        yield got
    finally:
        if got:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s, %s)", key)


def lock_key(run_id: UUID) -> tuple[int, int]:
    """Two numbers of 32 bits, as PostgreSQL's advisory locks have them."""
    return _RUN_LOCKS, zlib.crc32(run_id.bytes) - 2**31
