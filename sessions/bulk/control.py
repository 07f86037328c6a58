"""Stop a bulk run between two batches, continue a stopped one, and estimate when a run is done."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sessions.models import BulkRun
from users.clock import database_now
from users.errors import NotYours
from users.models import SecurityEvent, User
from users.origin import Origin
from users.permissions import may_continue_run, may_control_run
from users.record.events import Event
from users.record.writing import record
from users.transactions import in_transaction

# With fewer sessions than this an estimate would jump about.
_ENOUGH = 1000
_SAME_TRANSACTION = timedelta(minutes=1)


def may_stop(actor: User, run: BulkRun) -> bool:
    """Return whether ``actor`` may stop the run now. Nobody stops the correction of a restored backup."""
    is_open = run.finished_at is None and run.stopped_at is None
    return is_open and "record" not in run.selection and may_control_run(actor, run.actor)


def may_continue(actor: User, run: BulkRun) -> bool:
    """Return whether ``actor`` may continue the run. An operator continues a command's run by giving it again."""
    is_stopped = run.finished_at is None and run.stopped_at is not None
    # A cut-off has refused its sessions at the order. So they are not live any more.
    ends_superusers = not (run.cut_off or run.selection.get("spare_superusers"))
    may_go_on = is_stopped and run.source == BulkRun.Source.ADMIN
    return may_go_on and may_continue_run(actor, run.actor, ends_superusers=ends_superusers)


@in_transaction
def stop_run(run_id: UUID, *, actor: User, origin: Origin, note: str) -> bool:
    """Stop the run: no further batch begins. A cut-off stays, so what it refuses stays refused.

    Returns: False, if the run was done or stopped before. Raises: NotYours.
    """
    # A batch holds this lock. So this waits until the batch is complete; the next one may be faster to lock it, once.
    run = _locked(run_id)
    if run.finished_at is not None or run.stopped_at is not None:
        return False
    if not may_stop(actor, run):
        raise NotYours
    run.stopped_at, run.stopped_by = database_now(), actor
    run.save(update_fields=["stopped_at", "stopped_by"])
    _record(Event.RUN_STOPPED, run, actor=actor, origin=origin, note=note)
    return True


@in_transaction
def continue_run(run_id: UUID, *, actor: User, origin: Origin, note: str) -> bool:
    """Let a stopped run go on with the sessions that it still means. A server takes it up within seconds.

    Returns: False, if the run is not stopped. Raises: NotYours.
    """
    run = _locked(run_id)
    if run.finished_at is not None or run.stopped_at is None:
        return False
    if not may_continue(actor, run):
        raise NotYours
    run.stopped_at = run.stopped_by = None
    run.save(update_fields=["stopped_at", "stopped_by"])
    _record(Event.RUN_CONTINUED, run, actor=actor, origin=origin, note=note)
    return True


def why_stopped(run: BulkRun) -> str:
    """Return the reason that was given when the run was stopped. Empty, if it is not stopped now."""
    if run.stopped_at is None:
        return ""
    # The entry is of the same transaction. The list of the record is found by time.
    around = (run.stopped_at - _SAME_TRANSACTION, run.stopped_at + _SAME_TRANSACTION)
    stops = SecurityEvent.objects.filter(at__range=around, event=Event.RUN_STOPPED, details__run=str(run.pk))
    entry = stops.order_by("-at").first()
    return "" if entry is None else str(entry.details.get("note", ""))


def _locked(run_id: UUID) -> BulkRun:
    return BulkRun.objects.select_for_update(of=("self",), no_key=True).select_related("actor").get(pk=run_id)


def _record(event: Event, run: BulkRun, *, actor: User, origin: Origin, note: str) -> None:
    users = run.selection.get("users", [])
    user = User(pk=users[0]) if len(users) == 1 else None
    facts: dict[str, Any] = {"run": str(run.pk), "ended": run.ended, "expected": run.expected, "note": note.strip()}
    record(event, user=user, actor=actor, origin=origin, **facts)


def expected_end(run: BulkRun) -> datetime | None:
    """Estimate when the run is done, by its speed since a process last began to work on it. None: too early to say."""
    if run.swept_since is None or run.last_batch_at is None:
        return None
    done, took = run.ended - run.swept_from, run.last_batch_at - run.swept_since
    left = max(0, run.expected - run.ended)
    if done < min(_ENOUGH, run.expected - run.swept_from) or done <= 0 or took <= timedelta(0):
        return None
    return run.last_batch_at + took * (left / done)


def time_left(run: BulkRun) -> timedelta | None:
    """Estimate how long the run still takes, from now on by the database's clock. None: too early to say."""
    end = expected_end(run)
    return None if end is None else max(timedelta(0), end - database_now())
