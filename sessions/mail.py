"""The mails to users. docs/mails.md lists them; `sessions.mail_templates` makes their text and HTML.

Anybody can register with a stranger's email, so a mail may reach a stranger. Therefore no mail contains text that
a client has sent, such as a name, a device model, a user agent or another email. A link in such a text would look as
if it came from us.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from django.conf import settings
from django.urls import reverse

from sessions.geography import location_of
from sessions.jobs.deferring import after_commit, job
from sessions.links import link_url
from sessions.mail_sending import NEWS, send_code, send_news
from sessions.mail_templates import render
from sessions.models import Session
from users.clock import database_now
from users.models import User
from users.one_use_links import LIFETIME as LINK_LIFETIME
from users.one_use_links import Purpose as LinkPurpose
from users.one_use_links import make_link
from users.origin import NOWHERE, Origin
from users.password_policy import never_had_a_password
from users.reset_codes import LIFETIME, Purpose, address_for, issue_code
from users.transactions import in_transaction

# Names of systems that ua-parser and Buddy's clients use. A mail shows no other name: a client may have made it up.
SYSTEMS = {"iOS", "Android", "Windows", "Mac OS X", "Linux", "Ubuntu", "Chrome OS"}


class AccountChange(StrEnum):
    """A change of an account. The value is its text in a mail. Links store the names: add some, never rename one."""

    EMAIL_ASKED = "Another email address was set. It takes the place of this one when it is verified."
    EMAIL_KEPT = "The change to another email address was taken back."
    EMAIL = "Another email address has taken the place of this one."
    EMAIL_REMOVED = "This email address was removed. The account has none now."
    USERNAME = "The user name was changed."
    PHONE_NUMBER = "The phone number was changed."
    PASSWORD = "The password was changed. All other log-ins have ended."
    FACTOR_ENABLED = "A second factor was switched on. A log-in now also needs a code from an authenticator app."
    FACTOR_DISABLED = "The second factor was switched off. A log-in needs only the password now."
    RECOVERY_CODE = "A recovery code was used for a log-in. It does not work again."
    RECOVERY_CODES = "New recovery codes were made. The earlier ones no longer work."
    DELETED = "The account was deleted."


# After these changes, codes for a new password are no longer mailed to the old email.
_ADDRESS_GONE = {AccountChange.EMAIL, AccountChange.EMAIL_REMOVED, AccountChange.DELETED}
# How a subject says what has changed. Several changes, and the rest, are only "has changed".
_IN_SUBJECT = {
    AccountChange.EMAIL_ASKED: "The email of your {} account is to change",
    AccountChange.EMAIL: "The email of your {} account was changed",
    AccountChange.EMAIL_REMOVED: "The email of your {} account was removed",
    AccountChange.USERNAME: "The user name of your {} account was changed",
    AccountChange.PHONE_NUMBER: "The phone number of your {} account was changed",
    AccountChange.PASSWORD: "The password of your {} account was changed",
    AccountChange.FACTOR_ENABLED: "The second factor of your {} account was switched on",
    AccountChange.FACTOR_DISABLED: "The second factor of your {} account was switched off",
    AccountChange.RECOVERY_CODE: "A recovery code of your {} account was used",
    AccountChange.RECOVERY_CODES: "Your {} account has new recovery codes",
    AccountChange.DELETED: "Your {} account was deleted",
}


def mail_reset_code(user: User, code: str) -> None:
    """Mail the code that sets a new password to the user's email."""
    _mail_code(user, Purpose.RESET, "Your {} reset code", code)


def mail_email_code(user: User, code: str) -> None:
    """Mail the code that verifies the user's newest email to that email."""
    _mail_code(user, Purpose.EMAIL, "Verify your email for {}", code)


def mail_account_changed(user: User, *changes: AccountChange, origin: Origin = NOWHERE, by_staff: bool = False) -> None:
    """Mail a user what has changed in their account, and what to do if they didn't change it.

    The mail is sent when the open transaction commits. None is sent if there is no email or no change.

    Args:
        user: as they were before the change.
        origin: where the order came from. A user is not told where staff are.
        by_staff: whether staff made the change.
    """
    if user.email and changes:
        after_commit(
            _send_account_changed,
            {"pk": user.pk, "email": user.email, "email_verified": user.email_verified},
            [change.name for change in changes],
            at=database_now().isoformat(),
            ip=None if by_staff else origin.ip,
            by_staff=by_staff,
            had_password=not never_had_a_password(user),
        )


@job("reset_code", lifetime=LIFETIME, is_urgent=True)
@in_transaction
def send_reset_code_to(user_id: str) -> None:
    """Make a new reset code and mail it, if the user is active and has an email."""
    user = User.objects.filter(pk=user_id, is_active=True, deleted_at=None).first()
    if user is not None and user.email:
        mail_reset_code(user, issue_code(user))


@job("login", lifetime=NEWS)
@in_transaction
def mail_login(session_id: str, is_new_device: bool, *, email: str, email_verified: bool) -> None:
    """Mail a user that they have logged in from a new device or an unusual place.

    Args:
        is_new_device: whether the user has never used the device before.
        email: the user's at the log-in. A thief who has logged in may have replaced it since.
        email_verified: whether that one was verified then.
    """
    session = Session.objects.select_related("user", "app").filter(pk=session_id).first()
    user = session.user if session else None
    if session is not None and user is not None and user.deleted_at is None:
        user.email, user.email_verified = email, email_verified
        # No client has sent the location: it is from the file at GEOIP_PATH.
        where = f" from {session.location}" if session.location else ""
        subject = f"New log-in to your {settings.SERVICE_NAME} account{where}"
        link = _not_me_link(user, session_id=session.pk)
        context = {"session": session, "system": system_of(session), "is_new_device": is_new_device, **link}
        _send(email, "login", subject, **context)


def system_of(session: Session) -> str | None:
    """Return the system of the session's device, if it is a well-known name."""
    return session.platform if session.platform in SYSTEMS else None


@job("account_changed", lifetime=NEWS)
@in_transaction
def _send_account_changed(
    before: dict[str, Any], names: list[str], *, at: str, ip: str | None, by_staff: bool, had_password: bool
) -> None:
    user, changes = User(**before), [AccountChange[name] for name in names]
    pattern = _IN_SUBJECT.get(changes[0], "") if len(changes) == 1 else ""
    subject = (pattern or "Your {} account has changed").format(settings.SERVICE_NAME)
    still_works = _ADDRESS_GONE.isdisjoint(changes)
    # Nothing can be done by a link after a deletion, or for a stranger whose email was typed by mistake. Before there
    # is a password, nobody has logged in. A link would only undo an invitation, and mail a code that outlives it.
    has_link = still_works or (user.email_verified and AccountChange.DELETED not in changes)
    link = _not_me_link(user, about=names, ip=ip) if has_link and had_password else {}
    location = location_of(ip)
    context = {
        "changes": changes,
        "at": datetime.fromisoformat(at),
        "ip": ip,
        "location": location.text if location else "",
        "by_staff": by_staff,
        "still_works": still_works,
        # A new password alone does not let the user in.
        "is_locked_out": AccountChange.FACTOR_ENABLED in changes,
        **link,
    }
    _send(user.email or "", "account_changed", subject, **context)


def _not_me_link(
    user: User, *, session_id: UUID | None = None, about: Sequence[str] = (), ip: str | None = None
) -> dict[str, Any]:
    """Make a link "That wasn't me" and return it for a template. It is empty without PUBLIC_URL."""
    if not settings.PUBLIC_URL:
        return {}
    address = user.email or ""
    token = make_link(user, purpose=LinkPurpose.NOT_ME, address=address, session_id=session_id, about=about, ip=ip)
    return {"link": link_url("account:not_me", token), "days": LINK_LIFETIME.days}


@job("invitation", lifetime=NEWS)
def mail_invitation(address: str, token: str) -> None:
    """Mail an invitation to the staff, with the link that ``token`` opens."""
    subject = f"You are invited to the staff of {settings.SERVICE_NAME}"
    _send(address, "invitation", subject, link=link_url("account:invitation", token), days=LINK_LIFETIME.days)


@job("new_staff", lifetime=NEWS)
def mail_new_staff(address: str) -> None:
    """Tell a user that they belong to the staff now."""
    link = f"{settings.PUBLIC_URL}{reverse('admin:index')}" if settings.PUBLIC_URL else None
    _send(address, "new_staff", f"You belong to the staff of {settings.SERVICE_NAME} now", link=link)


def _mail_code(user: User, purpose: Purpose, subject: str, code: str) -> None:
    minutes = int(LIFETIME.total_seconds() // 60)
    address = address_for(user, purpose)
    context = {"code": code, "minutes": minutes, "has_password": user.has_usable_password()}
    _send(address, f"{purpose.value}_code", subject.format(settings.SERVICE_NAME), **context)


def _send(address: str, template: str, subject: str, **context: object) -> None:
    """Make the mail ``template`` as text and HTML, and put it into the queue of mails.

    Both are files in `sessions/templates/user_sessions/mail`. The mail is made once, so every attempt sends the same
    mail.
    """
    made = render(template, subject, context)
    send = send_code if "code" in context else send_news
    after_commit(send, address, made.subject, made.text, made.html)
