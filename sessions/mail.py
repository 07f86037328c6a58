"""The mails to users.

Anybody can register with a stranger's email, so a mail may reach a stranger. Therefore no mail contains text that
a client has sent, such as a name, a device model, a user agent or another email. A link in such a text would look as
if it came from us.
"""

from datetime import datetime
from enum import StrEnum

from django.conf import settings
from django.core.mail import send_mail
from django.template.loader import render_to_string
from django.urls import reverse

from sessions.background import after_commit
from sessions.links import link_url
from sessions.models import Session
from users.clock import database_now
from users.models import User
from users.one_use_links import LIFETIME as LINK_LIFETIME
from users.reset_codes import LIFETIME, Purpose, address_for

# Names of systems that ua-parser and Buddy's clients use. A mail shows no other name: a client may have made it up.
SYSTEMS = {"iOS", "Android", "Windows", "Mac OS X", "Linux", "Ubuntu", "Chrome OS"}


class AccountChange(StrEnum):
    """A change of an account. The value is its text in a mail."""

    EMAIL_ASKED = "Another email address was set. It takes the place of this one when it is verified."
    EMAIL_KEPT = "The change to another email address was taken back."
    EMAIL = "Another email address has taken the place of this one."
    USERNAME = "The user name was changed."
    PHONE_NUMBER = "The phone number was changed."
    PASSWORD = "The password was changed. All other log-ins have ended."
    FACTOR_ENABLED = "A second factor was switched on. A log-in now also needs a code from an authenticator app."
    FACTOR_DISABLED = "The second factor was switched off. A log-in needs only the password now."
    RECOVERY_CODE = "A recovery code was used for a log-in. It does not work again."
    RECOVERY_CODES = "New recovery codes were made. The earlier ones no longer work."
    DELETED = "The account was deleted."


# After these changes, codes for a new password are no longer mailed to the old email.
_ADDRESS_GONE = {AccountChange.EMAIL, AccountChange.DELETED}

# The fields that identify a user or let them in, and their names in mails.
_TOLD = {"username": "user name", "email": "email", "phone_number": "phone number", "password": "password"}


def mail_reset_code(user: User, code: str) -> None:
    """Mail the code that sets a new password to the user's email."""
    _mail_code(user, Purpose.RESET, "Your {} reset code", code)


def mail_email_code(user: User, code: str) -> None:
    """Mail the code that verifies the user's newest email to that email."""
    _mail_code(user, Purpose.EMAIL, "Verify your email for {}", code)


def mail_account_changed(address: str | None, *changes: AccountChange, by_staff: bool = False) -> None:
    """Mail a user what has changed in their account, and what to do if they didn't change it.

    The mail is sent when the open transaction commits. None is sent if there is no email or no change.

    Args:
        address: the user's email before the change.
        by_staff: whether staff made the change.
    """
    if address and changes:
        after_commit(_send_account_changed, address, changes, database_now(), by_staff)


def mail_login(session: Session, is_new_device: bool) -> None:
    """Mail a user that they have logged in from a new device or an unusual place. Do nothing if they have no email.

    Args:
        session: that of the log-in, with `user` and `app` loaded.
        is_new_device: whether the user has never used the device before.
    """
    user = session.user
    if user is not None and user.email:
        system = session.platform if session.platform in SYSTEMS else None
        # No client has sent the location: it is from the file at GEOIP_PATH.
        where = f" from {session.location}" if session.location else ""
        subject = f"New log-in to your {settings.SERVICE_NAME} account{where}"
        _send(user.email, "login", subject, session=session, system=system, is_new_device=is_new_device)


def _send_account_changed(address: str, changes: tuple[AccountChange, ...], at: datetime, by_staff: bool) -> None:
    subject = f"Your {settings.SERVICE_NAME} account has changed"
    context = {"changes": [change.value for change in changes], "at": at, "by_staff": by_staff}
    still_works = _ADDRESS_GONE.isdisjoint(changes)
    is_locked_out = AccountChange.FACTOR_ENABLED in changes  # a new password alone does not let the user in
    _send(address, "account_changed", subject, still_works=still_works, is_locked_out=is_locked_out, **context)


def mail_invitation(address: str, token: str) -> None:
    """Mail an invitation to the staff, with the link that ``token`` opens."""
    subject = f"You are invited to the staff of {settings.SERVICE_NAME}"
    _send(address, "invitation", subject, link=link_url("account:invitation", token), days=LINK_LIFETIME.days)


def mail_new_staff(address: str) -> None:
    """Tell a user that they belong to the staff now."""
    link = f"{settings.PUBLIC_URL}{reverse('admin:index')}" if settings.PUBLIC_URL else None
    _send(address, "new_staff", f"You belong to the staff of {settings.SERVICE_NAME} now", link=link)


def _mail_code(user: User, purpose: Purpose, subject: str, code: str) -> None:
    minutes = int(LIFETIME.total_seconds() // 60)
    address = address_for(user, purpose)
    _send(address, f"{purpose.value}_code", subject.format(settings.SERVICE_NAME), code=code, minutes=minutes)


def _send(address: str, template: str, subject: str, **context: object) -> None:
    text = render_to_string(f"user_sessions/mail/{template}.txt", {"service": settings.SERVICE_NAME, **context})
    send_mail(subject, text, None, [address])
