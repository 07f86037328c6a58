"""Bulk runs: end many sessions, for `manage.py logout` and for the admin.

First, if the filters allow it, one write on the apps or the users refuses all their sessions from its commit on, even a
million. Then `end_sessions` ends the sessions in batches. A batch and its count are one transaction. So an interrupted
run can be resumed where it stopped.
"""

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, TypedDict, Unpack
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, Q, QuerySet

from sessions.bulk.planning import collect_missing_statistics
from sessions.bulk.preview import meant_by
from sessions.logout import end_sessions
from sessions.models import BulkRun, EndReason, Session
from sessions.notices.writing import tell_of_apps, tell_of_users
from sessions.selection.selection import Selection
from users.clock import DatabaseNow, database_now
from users.models import App, User
from users.origin import Origin
from users.permissions import NOT_SUPERUSERS
from users.record.events import Event
from users.record.writing import record
from users.transactions import in_transaction

logger = logging.getLogger("zapauth.sessions")

BATCH = 5000
# In seconds. A log-in's transaction takes less time.
LONGEST_WAIT = 10
# So long after its order a run that is begun again waits for nobody. Runs that take turns would never wait long enough.
NO_LOG_IN_AFTER = timedelta(minutes=1)
_LOOK_AGAIN = 0.02
# The resolution of times in PostgreSQL: "before" an instant means at least this much earlier.
RESOLUTION = timedelta(microseconds=1)


class SelectionGrown(Exception):
    """Many more sessions are selected now than the preview showed."""

    def __init__(self, *, expected: int, found: int) -> None:
        super().__init__(f"{found} sessions are selected now, {expected} at the preview")


class OrderedBy(TypedDict, total=False):
    """The person who gives an order, and their origin."""

    actor: User | None
    operator: str
    origin: Origin | None


def find_interrupted(selection: Selection, *, source: BulkRun.Source, actor: User | None = None) -> BulkRun | None:
    """Find the unfinished run that such an order would resume: one with the same filters and the same actor."""
    return _unfinished(selection, source, actor).first()


def start_run(
    selection: Selection,
    *,
    source: BulkRun.Source,
    note: str,
    expected: int | None,
    reason: EndReason | None = None,
    **by: Unpack[OrderedBy],
) -> BulkRun:
    """Store the order. If the filters allow it, refuse all its sessions from now on.

    An unfinished run of the same order is resumed, also a stopped one, and its cut-off moves to now: it then includes
    later sessions.

    Args:
        expected: how many sessions a preview showed. None: there was no preview, so any number is meant.
        reason: why its sessions end; by default "ended by staff" or "ended by an operator's command".

    Raises: SelectionGrown, if more sessions are selected now than ``BULK_MAY_GROW`` times ``expected``. Then nothing
        has changed.
    """
    found = meant_by(selection, now=database_now()).count()
    if expected is not None and found > expected * settings.BULK_MAY_GROW:
        raise SelectionGrown(expected=expected, found=found)
    return _store(selection, source=source, note=note, found=found, reason=reason, **by)


@in_transaction
def _store(
    selection: Selection,
    *,
    source: BulkRun.Source,
    note: str,
    found: int,
    reason: EndReason | None,
    **by: Unpack[OrderedBy],
) -> BulkRun:
    actor, operator, origin = by.get("actor"), by.get("operator", ""), by.get("origin") or Origin()
    # Lock apps and users first, then the run, then sessions: `sessions.sql.locks`.
    if selection.cuts_off:
        _cut_off(selection, reason or _reason_of(source))
    now = database_now()
    run = _unfinished(selection, source, actor).select_for_update(no_key=True).first()
    if run is None:
        run = BulkRun(source=source, actor=actor, started_at=now, expected=found)
        run.selection, run.fingerprint = selection.as_json(), selection.fingerprint()
        run.cut_off = selection.cuts_off
    else:
        # Count again under the lock: another process may be sweeping the same run.
        run.expected = run.ended + meant_by(selection, now=now).count()
    run.as_of, run.ip, run.request_id = now, origin.ip, origin.request_id
    run.stopped_at = run.stopped_by = None
    run.end_reason = reason.value if reason else ""
    run.operator = _with(run.operator, operator, between=", ")[:200]
    run.note = _with(run.note, note, between="\n")
    run.save()
    _record(run, selection, note=note, operator=operator, origin=origin)
    return run


def _record(run: BulkRun, selection: Selection, *, note: str, operator: str, origin: Origin) -> None:
    """Write one entry for the order. Each session's row says that this run has ended it."""
    facts: dict[str, Any] = {"run": str(run.pk), "expected": run.expected, "filters": sorted(selection.given())}
    facts |= {"note": note, "app": _only_app(selection)}
    record(Event.BULK_ORDER, user=_only_user(selection), actor=run.actor, operator=operator, origin=origin, **facts)


def _only_user(selection: Selection) -> User | None:
    """Return the user whose sessions these are, if the filters name one user or one session."""
    if selection.users and len(selection.users) == 1:
        return User(pk=selection.users[0])
    if selection.sessions and len(selection.sessions) == 1:
        return User.objects.filter(login_sessions=UUID(selection.sessions[0])).first()
    return None


def _only_app(selection: Selection) -> App | None:
    return App(pk=selection.apps[0]) if selection.apps and len(selection.apps) == 1 else None


def sweep_run(run: BulkRun) -> Iterator[int]:
    """End the sessions of ``run`` in batches. Yields after each batch how many the run has ended so far.

    Several processes may sweep one run at the same time, because a batch locks the run. It ends early if somebody
    stops the run.
    """
    begin_stretch(run.pk)
    # Don't wait inside a caller's transaction: the other transactions may be waiting for its locks.
    is_alone = connection.in_atomic_block or Selection.from_json(run.selection).sessions is not None
    if not is_alone:  # single sessions are found by their keys, and are accepted until they have ended
        collect_missing_statistics()
    others = [] if is_alone or database_now() - run.as_of >= NO_LOG_IN_AFTER else _under_way()
    after = _BEFORE_ALL
    while True:
        batch = _sweep_batch(run.pk, after, may_finish=not others)
        if batch.ended:
            yield batch.so_far
        if batch.is_last:
            return
        after = batch.after
        if batch.is_empty and others:
            # A log-in that began before the order may commit late. Wait for it, and then end its session, too.
            for _ in _wait_for(others):
                yield batch.so_far
            others = []


def reason_of(run: BulkRun) -> EndReason:
    """Return why the sessions of the run end."""
    return EndReason(run.end_reason) if run.end_reason else _reason_of(run.source)


def _reason_of(source: str) -> EndReason:
    return EndReason.STAFF if source == BulkRun.Source.ADMIN else EndReason.OPERATOR


def begin_stretch(run_id: UUID) -> None:
    """Note that a process begins to work on the run now. The estimate of its end starts from here."""
    unfinished = BulkRun.objects.filter(pk=run_id, finished_at=None, stopped_at=None)
    unfinished.update(swept_since=DatabaseNow(), swept_from=F("ended"), last_batch_at=DatabaseNow())


@dataclass(frozen=True)
class _Batch:
    ended: int  # the number of sessions
    so_far: int  # the number of sessions that the run has ended so far
    after: UUID  # where the next batch begins
    is_last: bool = False

    @property
    def is_empty(self) -> bool:
        return not self.ended and self.after == _BEFORE_ALL


@in_transaction
def _sweep_batch(run_id: UUID, after: UUID, *, may_finish: bool) -> _Batch:
    # Read the run again: a repeated order moves `as_of`.
    run = BulkRun.objects.select_for_update(of=("self",), no_key=True).select_related("actor").get(pk=run_id)
    if run.finished_at is not None or run.stopped_at is not None:
        return _Batch(0, run.ended, after, is_last=True)
    left, reason = _left(run, Selection.from_json(run.selection)), reason_of(run)
    origin = Origin(ip=run.ip, request_id=run.request_id)
    ended = end_sessions(
        left.filter(pk__gt=after), actor=run.actor, reason=reason, origin=origin, run=run, at_most=BATCH
    )
    run.ended += len(ended)
    run.last_batch_at = database_now()
    after = max(ended) if len(ended) == BATCH else _BEFORE_ALL
    # Look once more from the start: a late log-in may have committed an id that is smaller than `after`.
    if may_finish and after == _BEFORE_ALL and not left.exists():
        run.finished_at = database_now()
        told = "bulk run %s is done, sessions ended: %d, reason %s", run.pk, run.ended, reason.value
        # A command prints this itself, on the same terminal.
        level = logging.DEBUG if run.source == BulkRun.Source.COMMAND else logging.INFO
        transaction.on_commit(partial(logger.log, level, *told))
    run.save(update_fields=["ended", "last_batch_at", "finished_at"])
    return _Batch(len(ended), run.ended, after, is_last=run.finished_at is not None)


def _under_way() -> list[int]:
    """Return the ids of the other transactions that are writing now."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_snapshot_xip(pg_current_snapshot())::text::bigint")
        return [xid for (xid,) in cursor.fetchall()]


def _wait_for(transactions: list[int]) -> Iterator[None]:
    """Yield until all of them have ended, a few seconds at most. Some may belong to other databases of the server."""
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
    logger.warning(
        "a transaction has been open for over %d s; the bulk run does not wait for it any longer", LONGEST_WAIT
    )


_BEFORE_ALL = UUID(int=0)


def _unfinished(selection: Selection, source: BulkRun.Source, actor: User | None) -> QuerySet[BulkRun]:
    # Only runs of the same actor, so that the record names the actor who gave the order.
    return BulkRun.objects.filter(
        fingerprint=selection.fingerprint(), source=source, actor=actor, finished_at=None
    ).order_by("started_at")


def _with(text: str, more: str, *, between: str) -> str:
    """Append ``more`` to ``text``, unless it is already one of its parts."""
    if f"{between}{more}{between}" in f"{between}{text}{between}":
        return text
    return between.join(filter(None, (text, more)))


def _left(run: BulkRun, selection: Selection) -> QuerySet[Session]:
    """Return the sessions that ``run`` must still end."""
    if not run.cut_off or selection.created_before is not None:
        return meant_by(selection, now=run.as_of)
    # A log-in that was under way at the time of the order may commit later, with any time. Its older epoch shows it.
    # "Less than", not "not equal": with "not equal" PostgreSQL would read the whole table for each batch.
    of_app, of_user = Q(app_epoch__lt=F("app__session_epoch")), Q(user_epoch__lt=F("user__session_epoch"))
    old = of_app if selection.users is None else of_user
    return selection.queryset(now=run.as_of).filter(old, ended_at=None)


def _cut_off(selection: Selection, reason: EndReason) -> None:
    """Refuse all sessions of ``selection`` once this transaction commits, and tell services."""
    of: QuerySet[Any] = App.objects.all() if selection.users is None else User.objects.all()
    ids = selection.users if selection.users is not None else selection.apps
    if ids is not None:
        of = of.filter(pk__in=ids)
    if selection.spare_superusers:  # in that case the selection has users: `Selection.cuts_off`
        of = of.filter(NOT_SUPERUSERS)
    # Lock the rows in one order first, so that two such orders can't deadlock.
    locked = list(of.order_by("pk").select_for_update(no_key=True).values_list("pk", flat=True))
    until = None
    if selection.created_before is None:
        of.update(session_epoch=F("session_epoch") + 1)
    else:
        # If a later instant is stored already, a trigger keeps it.
        until = min(database_now(), selection.created_before - RESOLUTION)
        of.update(sessions_valid_after=until)
    tell = tell_of_apps if selection.users is None else tell_of_users
    tell(locked, reason=reason, until=until)
