"""What users are told by mail: a code they asked for, a login from a device that is new."""

from django.conf import settings
from django.core.mail import send_mail
from django.template.loader import render_to_string

from sessions.models import Session
from users.models import User
from users.reset_codes import LIFETIME


def mail_reset_code(user: User, code: str) -> None:
    minutes = int(LIFETIME.total_seconds() // 60)
    _send(user, "reset_code", f"Your {settings.SERVICE_NAME} reset code", code=code, minutes=minutes)


def mail_new_device(session: Session) -> None:
    """Tell the session's user, if they have an email. ``session`` has its `user`, `app` and `device` loaded."""
    user = session.user
    if user is not None and user.email:
        _send(user, "new_device", f"New login to your {settings.SERVICE_NAME} account", session=session)


def _send(user: User, template: str, subject: str, **context: object) -> None:
    text = render_to_string(
        f"user_sessions/mail/{template}.txt", {"user": user, "service": settings.SERVICE_NAME, **context}
    )
    send_mail(subject, text, None, [user.email or ""])
