"""Carry out bulk runs of staff: long ones, and short ones that were left. One process carries out a run at a time."""

import logging
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from time import monotonic
from uuid import UUID

from django.db import DatabaseError, InterfaceError, connection, connections
from django.db.models import Q, QuerySet

from sessions.bulk.runs import sweep_run
from sessions.models import BulkRun
from users.claiming import SECONDS_TO_CONNECT, claimed
from users.clock import database_now
from users.database_use import Use, set_use

logger = logging.getLogger("zapauth.sessions")

# A run of up to this many sessions is carried out before the answer. It takes less than a second.
AT_ONCE = 5000
LOOK_EVERY = timedelta(seconds=1)
# The worker that took the order has this long to begin a short run. So it is resumed within four seconds.
FIRST_TRY = timedelta(seconds=3)
# How long a run is carried out while another one waits. To find the first batch of a turn can take a second.
TURN = timedelta(seconds=10)
# The first number of the advisory locks. Nothing else uses it.
_RUN_LOCKS = 0x5A41


def carry_out(run_id: UUID, stopped: Callable[[], bool] = lambda: False, *, is_news: bool = False) -> bool:
    """End the sessions of the run, unless another process does. Stop after a batch if ``stopped`` returns true.

    Args: is_news: whether to log that the run is resumed.

    Returns: whether something of the run is left because ``stopped`` returned true.
    """
    with claimed(lock_key(run_id)) as is_alone:
        run = BulkRun.objects.filter(pk=run_id, finished_at=None, stopped_at=None).first() if is_alone else None
        if run is None:
            return False
        if is_news and (run.ended or is_short(run)):
            told = "bulk run %s was left with %d of %d sessions ended; this server resumes it"
            logger.warning(told, run.pk, run.ended, run.expected)
        return any(stopped() for _ in sweep_run(run))


def is_short(run: BulkRun) -> bool:
    """Return whether the worker that takes the order carries the run out."""
    return run.expected <= AT_ONCE


def take_up(
    stopped: Callable[[], bool] = lambda: False,
    *,
    min_age: timedelta = FIRST_TRY,
    failed: set[UUID] | None = None,
    begun: set[UUID] | None = None,
) -> None:
    """Begin the long runs, and resume the runs that no process carries out, for example because a worker died.

    If several runs wait, they take turns, so that a very long one does not hold up the others. Those whose sessions are
    still accepted come first.

    Runs of commands are not resumed here: an operator resumes one by giving the command again. A run that somebody
    stopped is not resumed, either.

    Args:
        min_age: short runs that are younger are left to their workers.
        failed: the runs whose failure has been logged; this function updates it.
        begun: the runs that wait for another turn of this process; this function updates it.
    """
    failed, begun = set() if failed is None else failed, set() if begun is None else begun
    for run_id in left_runs(min_age).order_by("cut_off", "started_at").values_list("pk", flat=True):
        if stopped():
            return
        try:
            is_left = carry_out(run_id, _turn(run_id, stopped), is_news=run_id not in failed | begun)
            failed.discard(run_id)
            (begun.add if is_left else begun.discard)(run_id)
        except Exception:
            if run_id not in failed:
                logger.exception("the run %s failed; it will be tried again", run_id)
            failed.add(run_id)


def _turn(run_id: UUID, stopped: Callable[[], bool]) -> Callable[[], bool]:
    """Return a function that tells whether to leave the run, because the server stops or another run has its turn."""
    until = monotonic() + TURN.total_seconds()

    def is_over() -> bool:
        return stopped() or (monotonic() >= until and any(map(_is_waiting, left_runs().exclude(pk=run_id))))

    return is_over


def _is_waiting(run: BulkRun) -> bool:
    return not _is_carried_out(run.pk)


def left_runs(min_age: timedelta = FIRST_TRY) -> QuerySet[BulkRun]:
    """Return the long runs of staff that go on, and the short ones that are older than ``min_age``."""
    is_left = Q(as_of__lte=database_now() - min_age) | Q(expected__gt=AT_ONCE)
    return BulkRun.objects.filter(is_left, source=BulkRun.Source.ADMIN, finished_at=None, stopped_at=None)


def state_of(run: BulkRun) -> str:
    """Return `done`, `stopped`, `running`, or `waiting` if no process works on the run."""
    if run.finished_at is None and run.stopped_at is None:
        if _is_carried_out(run.pk):
            return "running"
        # It may have changed since it was read.
        run.refresh_from_db(fields=["ended", "finished_at", "stopped_at", "stopped_by", "last_batch_at"])
    if run.finished_at is not None:
        return "done"
    return "waiting" if run.stopped_at is None else "stopped"


def _is_carried_out(run_id: UUID) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_locks JOIN pg_database d ON d.oid = database"
            " WHERE locktype = 'advisory' AND d.datname = current_database() AND granted"
            " AND classid::bigint = %s AND objid::bigint = %s)",
            # `pg_locks` shows these numbers unsigned.
            [number % 2**32 for number in lock_key(run_id)],
        )
        found: bool = cursor.fetchone()[0]
        return found


@contextmanager
def at_work(run_id: UUID) -> Iterator[None]:
    """Tell the pages that a command works on the run during the block. Several commands may do so at the same time."""
    with ExitStack() as stack:
        # Without the second connection the command does its work all the same.
        with suppress(DatabaseError, InterfaceError):
            stack.enter_context(claimed(lock_key(run_id), "pg_try_advisory_xact_lock_shared"))
        yield


def lock_key(run_id: UUID) -> tuple[int, int]:
    """Return the key of the run's advisory lock: two numbers of 32 bits."""
    return _RUN_LOCKS, zlib.crc32(run_id.bytes) - 2**31


class LeftRuns(threading.Thread):
    """A thread that carries out long and interrupted runs until `stop`. Each server has one."""

    def __init__(self) -> None:
        super().__init__(name="left runs", daemon=True)
        self._stopped = threading.Event()
        self._failing = False
        self._failed: set[UUID] = set()
        self._begun: set[UUID] = set()

    def run(self) -> None:
        # A statement gets as much time as one of a preview, because it takes as long to find the next batch. But it
        # must not wait longer for a lock: a batch locks its run, and staff could not stop the run meanwhile.
        set_use(Use.STAFF)
        while True:
            try:
                take_up(self._stopped.is_set, failed=self._failed, begun=self._begun)
                self._failing = False
            except Exception as error:
                # Log it once: an outage of an hour is one event.
                if not self._failing:
                    logger.warning("bulk runs can't be carried out: %s", error)
                self._failing = True
            finally:
                connections.close_all()
            if self._stopped.wait(LOOK_EVERY.total_seconds()):
                return

    def stop(self) -> None:
        """Wait for the current batch, a few seconds at most. PostgreSQL rolls back a batch that takes longer."""
        self._stopped.set()
        self.join(SECONDS_TO_CONNECT)
