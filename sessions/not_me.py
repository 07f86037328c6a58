"""The answer to "that wasn't me": end what somebody else has opened, and make the account safe.

A mail about a log-in or about a change of the account has a link, and the page behind it calls `disown`. What that does
depends on who receives the account's mail now:

- **The link went to the account's email.** Whoever logged in or changed the account knew the password. So it stops
  working at once: otherwise the thief would be back before the user has chosen a new one. A code for a new password
  goes to the same email. A link about a log-in ends that session and all later ones, which the thief may have opened,
  too; the earlier ones end with the new password. A link about a change ends all sessions.
- **Another email has replaced that one since.** A code would go to the new email, which may be the thief's. Two people
  claim the account, and a link can't decide who is right. So all sessions end, the password stops working, and the
  account is disabled until staff have found out. Less would not help: the thief could have a code mailed to the new
  email. Giving the old email back would let a thief of an old mailbox take the account over. Now the worst that such a
  thief can do is to lock it, within the seven days of the link. A link to a replaced email that was never verified does
  nothing: somebody may have typed a stranger's email by mistake, and the stranger must not lock the account.
"""

from dataclasses import dataclass
from typing import Any

from django.contrib.auth.hashers import make_password
from django.db.models import Q, QuerySet

from sessions.jobs.deferring import after_commit
from sessions.logout import end_sessions
from sessions.mail import send_reset_code_to
from sessions.models import EndReason, Session
from users.errors import LinkInvalid
from users.models import OneUseLink, User
from users.one_use_links import Purpose, find_link, forget_links, use_link
from users.origin import Origin
from users.record.events import Event
from users.record.masking import masked_email
from users.record.writing import By, record
from users.reset_codes import forget_code
from users.transactions import in_transaction


@dataclass(frozen=True)
class Disowned:
    """What `disown` has done."""

    user: User
    ended: int  # sessions
    is_mailed: bool  # whether a code for a new password is on its way
    is_replaced: bool  # whether the account is disabled, because another email has replaced that of the link


def is_replaced(link: OneUseLink, user: User) -> bool:
    """Return whether another email has replaced the one that the link was mailed to."""
    return (user.email or "").upper() != link.address.upper()


def find_not_me_link(token: str) -> OneUseLink | None:
    """Return the link with its user, or None if it is unknown, used or expired, or can't do anything any more."""
    link = find_link(token, Purpose.NOT_ME)
    return link if link and counts(link, link.user) else None


def counts(link: OneUseLink, user: User) -> bool:
    """Return whether the link does anything: it went to the account's email, or to a verified one before that."""
    return link.is_verified or not is_replaced(link, user)


def sessions_of_link(link: OneUseLink) -> QuerySet[Session]:
    """Return the sessions that the link ends: all of the user, or that of a log-in and all later ones."""
    sessions = Session.objects.filter(user=link.user_id)
    found = sessions.filter(pk=link.session_id).first() if link.session_id else None
    if found is None or is_replaced(link, link.user):
        return sessions
    return sessions.filter(Q(pk=found.pk) | Q(created_at__gte=found.created_at))


@in_transaction
def disown(link: OneUseLink, *, origin: Origin) -> Disowned:
    """Use the link: end the sessions that it is about, and make the account safe. The user's order is recorded.

    Raises: LinkInvalid, when another request has used it meanwhile, it has expired, or the user was deleted.
    """
    # A log-in locks the user, too. So it comes before, and its session ends here, or after, and is refused.
    user = User.objects.select_for_update(no_key=True).filter(pk=link.user_id, deleted_at=None).first()
    if user is None or not counts(link, user):
        raise LinkInvalid
    use_link(link)
    link.user = user
    forget_code(user.pk)
    by: By = {"actor": user, "origin": origin}
    facts = _facts(link) | _refuse_password(user)
    ended = end_sessions(sessions_of_link(link), actor=user, reason=EndReason.NOT_ME, origin=origin)
    _forget_answered(link)
    record(Event.NOT_ME, user=user, count=len(ended), **facts, **by)
    has_gone = is_replaced(link, user)
    if has_gone:
        _disable(user, by)
    is_mailed = user.is_active
    if is_mailed:
        record(Event.RESET_ASKED, user=user, mailed=True, **by)
        after_commit(send_reset_code_to, user.pk)
    return Disowned(user, len(ended), is_mailed, has_gone)


def _forget_answered(link: OneUseLink) -> None:
    """Delete the other links to the same email, which would only undo what the user does next.

    The link of an earlier log-in stays while its session is open: the thief may have that one, too.
    """
    still_open = Session.objects.filter(user=link.user_id, ended_at=None).values_list("pk", flat=True)
    forget_links(link.user_id, purpose=Purpose.NOT_ME, address=link.address, besides=list(still_open))


def _facts(link: OneUseLink) -> dict[str, Any]:
    """Return what the record tells about the link."""
    if link.session_id is not None:
        return {"about": ["login"], "session": str(link.session_id)}
    return {"about": [name.lower() for name in link.about]}


def _refuse_password(user: User) -> dict[str, Any]:
    """Make the password useless, and drop an email that is not verified yet: a thief may have set it."""
    dropped, user.new_email, user.password = user.new_email, None, make_password(None)
    User.objects.filter(pk=user.pk).update(password=user.password, new_email=None)
    return {"dropped_email": masked_email(dropped)} if dropped else {}


def _disable(user: User, by: By) -> None:
    """Disable the account until staff help."""
    if user.is_active:
        User.objects.filter(pk=user.pk).update(is_active=False)
        user.is_active = False
        record(Event.USER_DISABLED, user=user, note="That wasn't me, by a link to the earlier email.", **by)
