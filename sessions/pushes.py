"""Whom a push may reach now, and what to do when a device is out of reach.

The row of a device token does not decide that alone. After "everybody out" its session is refused at once, and the
sweep detaches the token later. So every question here also asks whether the session that holds the token is live.

If that session has timed out, there is no push. Within minutes the sweep passes the token on to another live session
of the same user, if there is one (`sessions.sql.ending`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from sessions.models import Session
from sessions.sql.holders import Held, held_by_digest, held_by_user, held_by_users
from users.clock import database_now
from users.device_tokens import detach_device_tokens, lock_device_tokens, read_device_token
from users.models import Access, App, DeviceToken
from users.origin import Origin
from users.record.events import Event
from users.record.writing import Subject, record_each
from users.transactions import in_transaction

MOST = 500  # device tokens, and users, in one question; FCM also takes 500 messages at a time
MOST_OF_USER = 100  # device tokens of one user in one answer
MOST_OF_USERS = 5000  # device tokens of all users in one answer; each has up to 4,096 characters


@dataclass(frozen=True)
class Caller:
    """The service that asks, and how far it reaches."""

    app: App
    reach: Access

    def reaches(self, session: Session) -> bool:
        return self.reach is Access.ALL or (self.reach is Access.OWN and session.app_id == self.app.pk)


@dataclass(frozen=True)
class Asked:
    """A device token that a service asks about, and the user that the message is for, if it says so."""

    device_token: str
    user_id: str | None = None


@dataclass(frozen=True)
class Verdict:
    """Whether a push may be sent to a device token now. The other facts are None if it may not."""

    device_token: str
    user_id: str | None = None
    app_id: str | None = None
    platform: str | None = None

    @property
    def is_allowed(self) -> bool:
        return self.user_id is not None


@dataclass(frozen=True)
class Verdicts:
    """Verdicts, and the database's time before they were read."""

    checked_at: datetime
    verdicts: list[Verdict]
    more_after: int | None = None  # the last device token of this page, if there are more


def check(asked: Sequence[Asked], *, users: Sequence[str], by: Caller) -> Verdicts:
    """Say which devices may get a push now. It takes one query for all device tokens, and one for all users.

    The answer has a verdict for each of ``asked``, in that order, and then the other device tokens of each of ``users``
    that may get a push. It looks at the newest ones of each user: see `most_of_each`. Unknown users have none.
    """
    now = database_now()  # before the rows are read
    verdicts = _of_tokens(asked, now=now, by=by)
    said = set(verdicts)
    return Verdicts(now, verdicts + [each for each in _of_users(users, now=now, by=by) if each not in said])


def _of_tokens(asked: Sequence[Asked], *, now: datetime, by: Caller) -> list[Verdict]:
    if not asked:
        return []
    digests = [DeviceToken.digest_of(each.device_token) for each in asked]
    found = {held.digest: held for held in _live(held_by_digest(set(digests)), now=now, by=by)}
    return [_verdict(each, found.get(digest)) for each, digest in zip(asked, digests, strict=True)]


def _verdict(asked: Asked, held: Held | None) -> Verdict:
    if held is None or asked.user_id not in (None, held.session.user_id):
        return Verdict(asked.device_token)
    return _allowed(asked.device_token, held)


def _of_users(users: Sequence[str], *, now: datetime, by: Caller) -> list[Verdict]:
    if not users:
        return []
    place = {user: number for number, user in enumerate(dict.fromkeys(users))}
    found = _live(held_by_users(list(place), most=most_of_each(len(place))), now=now, by=by)
    return _readable(sorted(found, key=lambda held: (place[held.session.user_id], -held.id)))


def most_of_each(users: int) -> int:
    """Return how many device tokens of each user one answer about that many users has: with 500 users, 10."""
    return min(MOST_OF_USER, MOST_OF_USERS // users)


def page_of_user(user_id: str, *, after: int | None, per_page: int, by: Caller) -> Verdicts:
    """Return the device tokens of one user that may get a push now, oldest first. It looks at ``per_page`` of them.

    Args: after: begin after this device token, the `more_after` of the previous page.
    """
    now = database_now()
    found = held_by_user(user_id, after=after or 0, most=per_page + 1)
    page = found[:per_page]
    more_after = page[-1].id if len(found) > per_page else None
    return Verdicts(now, _readable(_live(page, now=now, by=by)), more_after=more_after)


@in_transaction
def detach_gone(reports: Mapping[str, datetime | None], *, by: Caller, origin: Origin) -> int:
    """Take device tokens that FCM or APNs no longer delivers to from their users. Each is recorded. Sessions go on.

    Args: reports: by device token, the time until which the report is true. None: now. If a phone has sent the token
        again since, it stays.

    Returns: how many were detached. Unknown ones, and those out of the caller's reach, are left alone.
    """
    # Before the wait for a lock: a log-in that begins while we wait is newer than the report. One that began before is
    # not, unless the report says when the push was checked.
    now = database_now()
    until = {DeviceToken.digest_of(token): at or now for token, at in reports.items()}
    theirs = Q(digest__in=until)
    lock_device_tokens(theirs)
    attached = DeviceToken.objects.filter(theirs, user__isnull=False)
    gone = [held for held in attached.order_by("pk") if held.updated_at <= until[bytes(held.digest)]]
    holders = Session.objects.only("app_id").in_bulk([held.held_by for held in gone])
    gone = [held for held in gone if held.held_by in holders and by.reaches(holders[held.held_by])]
    if gone:
        detach_device_tokens(held.pk for held in gone)
        # The number of the row: the text of a device token is a secret.
        subjects = [Subject(held.user_id, held.held_by, {"device_token": held.pk}) for held in gone]
        record_each(Event.DEVICE_TOKEN_GONE, subjects, app=by.app, origin=origin)
    return len(gone)


def _live(found: Iterable[Held], *, now: datetime, by: Caller) -> list[Held]:
    """Return those device tokens whose session is in the caller's reach and is live at ``now``."""
    return [held for held in found if by.reaches(held.session) and held.session.refusal(now) is None]


def _readable(found: Iterable[Held]) -> list[Verdict]:
    """Decrypt the device tokens. One that no key decrypts is left out."""
    texts = ((held, read_device_token(held.id, held.sealed)) for held in found)
    return [_allowed(text, held) for held, text in texts if text is not None]


def _allowed(text: str, held: Held) -> Verdict:
    session = held.session
    return Verdict(text, session.user_id, session.app_id, session.platform)
