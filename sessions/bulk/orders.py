"""Orders of staff in the admin: end sessions, disable an account.

An order for one session is done at once, and the record has its note. Every other order is a bulk run, which says who
ordered what, why and from where. A short run is carried out at once, a long one after the answer.
"""

from dataclasses import replace

from sessions.background import after_answer
from sessions.bulk.preview import Preview
from sessions.bulk.resume import carry_out
from sessions.bulk.runs import start_run, sweep_run
from sessions.logout import end_sessions_as_staff
from sessions.models import BulkRun, EndReason, Session
from sessions.selection.errors import SelectionError
from sessions.selection.selection import Selection
from users.directory import get_user_to_change
from users.errors import NotYours
from users.models import User
from users.origin import Origin
from users.permissions import Act, may_end_sessions, spares_superusers
from users.record.events import Event
from users.record.writing import record
from users.transactions import in_transaction

# A run of up to this many sessions is carried out at once. It takes less than a second.
AT_ONCE = 5000
# Most users of one order, because the run stores their ids.
MOST_USERS = 20_000


class ReasonMissing(Exception):
    """An order for more than one user needs a reason."""


def as_far_as_allowed(selection: Selection, *, actor: User) -> Selection:
    """Return ``selection`` without the sessions that ``actor`` may not end."""
    return replace(selection, spare_superusers=True) if spares_superusers(actor) else selection


def everywhere(selection: Selection) -> Selection | None:
    """Select all sessions of the users who have a live one in ``selection``. None, if there is no such user.

    Raises: SelectionError, if there are too many users.
    """
    live = Preview(selection)
    if live.users > MOST_USERS:
        raise SelectionError(
            f"These are {live.users:,} users. Up to {MOST_USERS:,} can be logged out everywhere at once. "
            "Narrow the list, or end the selected sessions."
        )
    users = tuple(sorted(live.user_ids()))
    return Selection(users=users, spare_superusers=selection.spare_superusers) if users else None


def end_one(session: Session, *, current: Session | None, actor: User, origin: Origin, note: str) -> bool:
    """End one session. It is recorded with the note, and without a bulk run.

    Returns: False, if it had ended before, or ``actor`` may not end it. Raises: NotYours.
    """
    details = {"session": str(session.pk), "note": note.strip()}
    one = Session.objects.filter(pk=session.pk)
    return bool(end_sessions_as_staff(one, of=session.user, current=current, actor=actor, origin=origin, **details))


def end_as_staff(
    selection: Selection, *, actor: User, origin: Origin, note: str, expected: int | None = None
) -> BulkRun:
    """End the live sessions of ``selection``, except those that ``actor`` may not end.

    Args: expected: how many sessions the preview showed. None: there was no preview, so any number is meant.

    Raises: NotYours, ReasonMissing, SelectionGrown. Then nothing has changed.
    """
    found = Preview(as_far_as_allowed(selection, actor=actor))
    if not may_end_sessions(actor, of_many=found.is_of_many):
        raise NotYours
    if found.is_of_many and not note.strip():
        raise ReasonMissing
    run = start_as_staff(found, actor=actor, origin=origin, note=note, expected=expected)
    return begin(run)


def begin(run: BulkRun) -> BulkRun:
    """Carry the run out: a short one now, a long one after the answer. Returns the run as it is then."""
    if run.expected <= AT_ONCE:
        carry_out(run.pk)
    else:
        after_answer(carry_out, run.pk, takes_long=True)
    run.refresh_from_db()
    return run


@in_transaction
def disable_user(user_id: str, *, actor: User, origin: Origin, note: str) -> BulkRun:
    """Disable the account, end all its sessions, and record it.

    Raises: NotYours, UserNotFound.
    """
    user = get_user_to_change(user_id, actor=actor, act=Act.DISABLE_USER)
    # The update locks the user. A log-in at the same time comes either before it, and its session is ended, or after
    # it, and is refused.
    User.objects.filter(pk=user.pk).update(is_active=False)
    found = Preview(Selection(users=(user.pk,)))
    run = start_as_staff(found, actor=actor, origin=origin, note=note, reason=EndReason.USER_DISABLED)
    for _ in sweep_run(run):
        pass
    run.refresh_from_db()
    record(Event.USER_DISABLED, user=user, actor=actor, origin=origin, run=str(run.pk), note=note)
    return run


def start_as_staff(
    found: Preview,
    *,
    actor: User,
    origin: Origin,
    note: str,
    expected: int | None = None,
    reason: EndReason | None = None,
) -> BulkRun:
    """Store an order of staff. Raises: SelectionGrown."""
    return start_run(
        found.selection,
        source=BulkRun.Source.ADMIN,
        note=note.strip(),
        expected=expected,
        actor=actor,
        origin=origin,
        reason=reason,
    )
