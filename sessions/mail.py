"""What users are told by mail: a reset code, a login from a device that is new, a change of their account."""

from collections.abc import Collection, Sequence

from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction
from django.template.loader import render_to_string

from sessions.background import after_answer
from sessions.models import Session
from users.models import User
from users.reset_codes import LIFETIME

# The fields that identify a user or let them in, as mails call them.
_TOLD = {"username": "user name", "email": "email", "phone_number": "phone number", "password": "password"}


def mail_reset_code(user: User, code: str) -> None:
    minutes = int(LIFETIME.total_seconds() // 60)
    subject = f"Your {settings.SERVICE_NAME} reset code"
    _send(user.email or "", "reset_code", subject, user=user, code=code, minutes=minutes)


def mail_new_device(session: Session) -> None:
    """Tell the session's user, if they have an email. ``session`` has its `user`, `app` and `device` loaded."""
    user = session.user
    if user is not None and user.email:
        subject = f"New login to your {settings.SERVICE_NAME} account"
        _send(user.email, "new_device", subject, user=user, session=session)


def tell_of_change(address: str | None, fields: Collection[str], *, by_staff: bool = False) -> None:
    """Mail `mail_account_changed` once the transaction has been committed and the request answered.

    Nothing is mailed without an address, nor when ``fields`` has none that identifies the user or lets them in.
    """
    what = [words for field, words in _TOLD.items() if field in fields]
    if address and what:
        transaction.on_commit(lambda: after_answer(mail_account_changed, address, what, by_staff))


def mail_account_changed(address: str, what: Sequence[str], by_staff: bool) -> None:
    """Tell ``address`` that ``what``, such as the email, of the account was changed.

    The mail repeats nothing that a client supplied: somebody else may have written that.

    Args: address: where the user was reached before the change.
    """
    *others, last = what
    context = {"what": f"{', '.join(others)} and {last}" if others else last, "verb": "were" if others else "was"}
    subject = f"Your {settings.SERVICE_NAME} account was changed"
    _send(address, "account_changed", subject, by_staff=by_staff, **context)


def _send(address: str, template: str, subject: str, **context: object) -> None:
    text = render_to_string(f"user_sessions/mail/{template}.txt", {"service": settings.SERVICE_NAME, **context})
    send_mail(subject, text, None, [address])
