"""Many sessions at once: the same for the command and for the admin, and for both the same record.

First, where the filters allow it, an instant is written on the apps or the users: from its commit on all
that they select is refused, be it a million. Then the rows are ended in batches, through the one door.
Each batch is whole or not at all, and counted in its own transaction: whatever interrupts a run, running
it again goes on where it stopped.
"""

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, Q, QuerySet

from sessions.bulk.preview import meant_by
from sessions.bulk.selection import Selection
from sessions.logout import end_sessions
from sessions.models import BulkRun, EndReason, Session
from sessions.origin import Origin
from users.clock import database_now
from users.models import App, User
from users.transactions import in_transaction

logger = logging.getLogger("zapauth.sessions")

BATCH = 5000
# In seconds. The transaction of a log-in is over sooner.
LONGEST_WAIT = 10
_LOOK_AGAIN = 0.02
# Of PostgreSQL: an instant "before" is one of these earlier.
RESOLUTION = timedelta(microseconds=1)


class SelectionGrown(Exception):
    """There are many more sessions now than the preview showed."""

    def __init__(self, *, expected: int, found: int) -> None:
        super().__init__(f"{found} sessions are meant now, {expected} at the preview")


def find_interrupted(selection: Selection, *, source: BulkRun.Source, actor: User | None = None) -> BulkRun | None:
    """The run that such an order goes on with, if there is one: the same filters, by the same hand."""
    return _unfinished(selection, source, actor).first()


def start_run(
    selection: Selection,
    *,
    source: BulkRun.Source,
    note: str,
    expected: int,
    actor: User | None = None,
    operator: str = "",
    origin: Origin | None = None,
) -> BulkRun:
    """Write the order down; where the filters allow it, all that it is for is refused from now on.

    One that was interrupted is taken up again instead, and means now as well: also those who have logged
    in since.

    Raises: SelectionGrown, when more than a tenth over ``expected`` are meant by now; nothing has changed.
    """
    found = meant_by(selection, now=database_now()).count()
    if found > expected * settings.BULK_MAY_GROW:
        raise SelectionGrown(expected=expected, found=found)
    origin = origin or Origin()

    @in_transaction
    def write_down() -> BulkRun:
        # Apps and users are locked first, then the run, then sessions: `sessions.sql.locks`.
        if selection.cuts_off:
            _cut_off(selection)
        now = database_now()
        run = _unfinished(selection, source, actor).select_for_update(no_key=True).first()
        if run is None:
            run = BulkRun(source=source, actor=actor, started_at=now, expected=found)
            run.selection, run.fingerprint = selection.as_json(), selection.fingerprint()
            run.cut_off = selection.cuts_off
        else:
            # Counted again under the lock: what somebody else sweeps meanwhile is in `ended` or in here.
            run.expected = run.ended + meant_by(selection, now=now).count()
        run.as_of, run.ip, run.request_id = now, origin.ip, origin.request_id
        run.operator = _with(run.operator, operator, between=", ")[:200]
        run.note = _with(run.note, note, between="\n")
        run.save()
        return run

    return write_down()


def sweep_run(run: BulkRun, *, reason: EndReason | None = None) -> Iterator[int]:
    """End the sessions that ``run`` is for, batch by batch; yields how many it has ended so far.

    Others may sweep it at the same time: each batch is one's alone.

    Args: reason: if it is another than that staff or an operator wanted it.
    """
    reason = reason or (EndReason.STAFF if run.source == BulkRun.Source.ADMIN else EndReason.OPERATOR)
    # Not inside a caller's transaction: the others may wait for a lock that it has.
    is_alone = connection.in_atomic_block or Selection.from_json(run.selection).sessions is not None
    others = [] if is_alone else _under_way()
    after = _BEFORE_ALL
    while True:
        batch = _sweep_batch(run.pk, after, reason=reason, may_finish=not others)
        if batch.ended:
            yield batch.so_far
        if batch.is_last:
            return
        after = batch.after
        if batch.is_empty and others:
            # A log-in that began before the order may commit behind us. Then it is ended, too.
            for _ in _wait_for(others):
                yield batch.so_far
            others = []


@dataclass(frozen=True)
class _Batch:
    ended: int  # sessions
    so_far: int  # of the run
    after: UUID  # where the next batch begins
    is_last: bool = False

    @property
    def is_empty(self) -> bool:
        return not self.ended and self.after == _BEFORE_ALL


@in_transaction
def _sweep_batch(run_id: UUID, after: UUID, *, reason: EndReason, may_finish: bool) -> _Batch:
    # As it is now: whoever gives the order again moves `as_of`.
    run = BulkRun.objects.select_for_update(of=("self",), no_key=True).select_related("actor").get(pk=run_id)
    if run.finished_at is not None:
        return _Batch(0, run.ended, after, is_last=True)
    left = _left(run, Selection.from_json(run.selection))
    origin = Origin(ip=run.ip, request_id=run.request_id)
    ended = end_sessions(
        left.filter(pk__gt=after), actor=run.actor, reason=reason, origin=origin, run=run, at_most=BATCH
    )
    run.ended += len(ended)
    after = max(ended) if len(ended) == BATCH else _BEFORE_ALL
    # From the start once more: a log-in that was under way may have come up behind us.
    if may_finish and after == _BEFORE_ALL and not left.exists():
        run.finished_at = database_now()
        told = "bulk run %s is done, sessions ended: %d, reason %s", run.pk, run.ended, reason.value
        # A command says so itself, on the same terminal.
        level = logging.DEBUG if run.source == BulkRun.Source.COMMAND else logging.INFO
        transaction.on_commit(partial(logger.log, level, *told))
    run.save(update_fields=["ended", "finished_at"])
    return _Batch(len(ended), run.ended, after, is_last=run.finished_at is not None)


def _under_way() -> list[int]:
    """The ids of the transactions that write at this moment, besides our own."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_snapshot_xip(pg_current_snapshot())::text::bigint")
        return [xid for (xid,) in cursor.fetchall()]


def _wait_for(transactions: list[int]) -> Iterator[None]:
    """Yield until none of them is under way any more, some seconds at most: others share the database server."""
    for _ in range(round(LONGEST_WAIT / _LOOK_AGAIN)):
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT EXISTS (SELECT FROM unnest(%s::bigint[]) AS t (xid)"
                " WHERE pg_xact_status(xid::text::xid8) = 'in progress')",
                (transactions,),
            )
            if not cursor.fetchone()[0]:
                return
        yield
        time.sleep(_LOOK_AGAIN)
    logger.warning("some transaction has been under way for over %d s; the sweep goes on without it", LONGEST_WAIT)


_BEFORE_ALL = UUID(int=0)


def _unfinished(selection: Selection, source: BulkRun.Source, actor: User | None) -> QuerySet[BulkRun]:
    # Of the same hand only, or somebody's order would be on record as somebody else's.
    return BulkRun.objects.filter(
        fingerprint=selection.fingerprint(), source=source, actor=actor, finished_at=None
    ).order_by("started_at")


def _with(text: str, more: str, *, between: str) -> str:
    """Both, unless ``more`` is one of those in ``text`` already."""
    if f"{between}{more}{between}" in f"{between}{text}{between}":
        return text
    return between.join(filter(None, (text, more)))


def _left(run: BulkRun, selection: Selection) -> QuerySet[Session]:
    """The sessions that ``run`` has yet to end."""
    if not run.cut_off or selection.created_before is not None:
        return meant_by(selection, now=run.as_of)
    # A log-in that was under way at the order may commit after it, with any time; its older epoch tells.
    # `lt`, and not "another one": PostgreSQL would take that for rare, and read the whole table for each batch.
    of_app, of_user = Q(app_epoch__lt=F("app__session_epoch")), Q(user_epoch__lt=F("user__session_epoch"))
    old = of_app if selection.users is None else of_user
    return selection.queryset(now=run.as_of).filter(old, ended_at=None)


def _cut_off(selection: Selection) -> None:
    """Refuse all sessions of ``selection`` from the commit of this transaction on."""
    of: QuerySet[Any] = App.objects.all() if selection.users is None else User.objects.all()
    ids = selection.users if selection.users is not None else selection.apps
    if ids is not None:
        of = of.filter(pk__in=ids)
    if selection.spare_superusers:  # then it is for users: `Selection.cuts_off`
        of = of.exclude(is_superuser=True)
    # Locked in one order first: two such orders at once can't deadlock.
    list(of.order_by("pk").select_for_update(no_key=True).values_list("pk"))
    if selection.created_before is None:
        of.update(session_epoch=F("session_epoch") + 1)
    else:
        # The database keeps a later instant that is there already.
        of.update(sessions_valid_after=min(database_now(), selection.created_before - RESOLUTION))
