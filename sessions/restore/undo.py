"""Correct a restored backup: end again what had ended, so that logged-out users stay logged out.

Without a record of endings `manage.py restored` logs everybody out (`sessions.bulk.runs`). With a record
(`sessions.restore.ended_file`) it ends only what the record names. A repeat changes nothing more.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import islice
from typing import TypeVar
from uuid import UUID

from django.contrib.auth.hashers import make_password
from django.db.models import F, Q

from sessions.bulk.runs import BATCH
from sessions.logout import end_sessions
from sessions.models import BulkRun, EndReason, Session
from sessions.restore.ended_file import Record
from sessions.selection.selection import Selection
from users.clock import database_now
from users.device_tokens import lock_device_tokens
from users.models import App, DeviceToken, User
from users.record.events import Event
from users.record.writing import record as security_record
from users.transactions import in_transaction

T = TypeVar("T", UUID, str)


@dataclass(frozen=True)
class Undone:
    """The ids that the restored database accepts again, although they had ended according to the record."""

    sessions: set[UUID]
    deleted: set[str]
    disabled: set[str]
    passwords: set[str]
    apps: set[str]

    def counts(self) -> dict[str, int]:
        """Return the number of ids of each kind."""
        return {name: len(ids) for name, ids in vars(self).items()}

    def without_email(self) -> int:
        """Return the number of users whose password is removed and who can't reset it, because they have no email."""
        return sum(User.objects.filter(pk__in=batch, email=None).count() for batch in _batches(self.passwords))


def find_undone(record: Record) -> Undone:
    """Find what the record says has ended and the database accepts."""
    passwords = {
        pk
        for batch in _batches(record.passwords)
        for pk, changed_at in User.objects.filter(pk__in=batch).values_list("pk", "password_changed_at")
        # This command has changed the password later, or a user who is logged in again.
        if changed_at is None or changed_at < record.passwords[pk]
    }
    return Undone(
        sessions=_open_sessions(record, passwords),
        deleted=_found(User, record.deleted, deleted_at=None),
        disabled=_found(User, record.disabled, is_active=True),
        passwords=passwords,
        apps=_found(App, record.apps_disabled, is_active=True),
    )


def _found(model: type[User] | type[App], ids: Iterable[str], **facts: object) -> set[str]:
    return {
        pk
        for batch in _batches(ids)
        for pk in model._default_manager.filter(pk__in=batch, **facts).values_list("pk", flat=True)
    }


def _open_sessions(record: Record, passwords: set[str]) -> set[UUID]:
    """Find the open sessions that the record names, and those of the users that it names."""
    open_ones = Session.objects.filter(ended_at=None)
    # An interrupted run has already removed the password. The session's older epoch shows that.
    refused = ~Q(user_epoch=F("user__session_epoch"))
    queries = (
        *(open_ones.filter(pk__in=batch) for batch in _batches(record.sessions)),
        *(open_ones.filter(user__in=batch) for batch in _batches({*record.deleted, *record.disabled, *passwords})),
        *(open_ones.filter(refused, user__in=batch) for batch in _batches(record.passwords)),
    )
    return {pk for query in queries for pk in query.values_list("pk", flat=True)}


@in_transaction
def refuse_undone(undone: Undone, record: Record, *, note: str, operator: str) -> BulkRun:
    """Delete and disable users, remove passwords, switch apps off. Once this commits, all their sessions are refused.

    Returns: the bulk run that will end the sessions. An interrupted run is resumed.
    """
    now = database_now()
    App.objects.filter(pk__in=undone.apps).update(is_active=False)
    everybody = {*undone.deleted, *undone.disabled, *undone.passwords}
    for batch in _batches(everybody):
        # Lock the users in one order first: docs/architecture.md.
        list(User.objects.filter(pk__in=batch).order_by("pk").select_for_update(no_key=True).values_list("pk"))
    for batch in _batches(undone.passwords):
        users = User.objects.filter(pk__in=batch)
        users.update(password=make_password(None), session_epoch=F("session_epoch") + 1, updated_at=now)
    for batch in _batches(undone.disabled):
        User.objects.filter(pk__in=batch).update(is_active=False, updated_at=now)
    for pk in sorted(undone.deleted):
        User.objects.filter(pk=pk, deleted_at=None).update(deleted_at=record.deleted[pk], updated_at=now)
    counts = ", ".join(f"{name}: {count}" for name, count in undone.counts().items())
    run = _run(undone, record, now=now, note=f"{note}\n{counts}", operator=operator)
    _record(undone, run, operator=operator)
    lock_device_tokens(Q(user__in=undone.deleted))
    for batch in _batches(undone.deleted):
        DeviceToken.objects.filter(user__in=batch).update(user=None, updated_at=now)
    return run


def _record(undone: Undone, run: BulkRun, *, operator: str) -> None:
    write = partial(security_record, operator=operator, run=str(run.pk), restored=True)
    write(Event.BULK_ORDER, expected=run.expected)
    for event, users in (
        (Event.USER_DELETED, undone.deleted),
        (Event.USER_DISABLED, undone.disabled),
        (Event.PASSWORD_CHANGED, undone.passwords),
    ):
        for pk in sorted(users):
            write(event, user=User(pk=pk))
    for app in App.objects.filter(pk__in=undone.apps).order_by("pk"):
        write(Event.APP_SWITCHED_OFF, app=app, name=app.name)


def _run(undone: Undone, record: Record, *, now: datetime, note: str, operator: str) -> BulkRun:
    span = f"{record.since.isoformat(timespec='seconds')} to {record.exported_at.isoformat(timespec='seconds')}"
    selection = Selection(record=f"{span}, SHA-256 {record.digest}…")
    interrupted = BulkRun.objects.filter(
        fingerprint=selection.fingerprint(), source=BulkRun.Source.COMMAND, finished_at=None
    )
    run = interrupted.select_for_update(no_key=True).first() or BulkRun(
        source=BulkRun.Source.COMMAND,
        operator=operator,
        note=note,
        selection=selection.as_json(),
        fingerprint=selection.fingerprint(),
        cut_off=False,
        started_at=now,
    )
    run.expected, run.as_of = run.ended + len(undone.sessions), now
    run.save()
    return run


def end_undone(undone: Undone, run: BulkRun) -> Iterator[int]:
    """End the sessions in batches. Yields after each batch how many the run has ended so far."""
    for batch in _batches(undone.sessions):
        yield _end_batch(batch, run.pk)
    BulkRun.objects.filter(pk=run.pk, finished_at=None).update(finished_at=database_now())


@in_transaction
def _end_batch(batch: list[UUID], run_id: UUID) -> int:
    run = BulkRun.objects.select_for_update(no_key=True).get(pk=run_id)
    run.ended += len(end_sessions(Session.objects.filter(pk__in=batch), actor=None, reason=EndReason.RESTORED, run=run))
    run.save(update_fields=["ended"])
    return run.ended


def _batches(ids: Iterable[T]) -> Iterator[list[T]]:
    # Sorted, so that a repeated run takes the same batches.
    rest = iter(sorted(ids))
    while batch := list(islice(rest, BATCH)):
        yield batch
