"""Change and reset passwords. The user's sessions end: a thief who had the old password may also have a token."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any
from uuid import UUID

from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.db.models import QuerySet

from sessions.jobs.deferring import after_commit, job
from sessions.logout import end_sessions
from sessions.mail import AccountChange, mail_account_changed, send_reset_code_to
from sessions.models import EndReason, Session
from sessions.places import Place
from users.credentials import check_own_password
from users.errors import EmailMismatch, EmailMissing, NotYours, PasswordRefused, WrongPassword
from users.identities import find_user_by_identity, find_user_by_username
from users.login_attempts import forgive_failures
from users.models import User
from users.one_use_links import Purpose as LinkPurpose
from users.one_use_links import forget_links
from users.origin import NOWHERE, Origin
from users.password_policy import check_new_password, never_had_a_password
from users.permissions import Act, require
from users.record.events import Event
from users.record.masking import masked_email
from users.record.writing import record
from users.reset_codes import LIFETIME, count_request, forget_code, try_code, use_up
from users.second_factor.enabling import has_factor
from users.throttling import Allowance, count_attempt, keys_of, take_back
from users.transactions import in_transaction


@contextmanager
def password_change(
    users: QuerySet[User],
    *,
    actor: User | None,
    operator: str = "",
    origin: Origin = NOWHERE,
    keep: UUID | None = None,
    event: Event = Event.PASSWORD_CHANGED,
) -> Iterator[None]:
    """Wrap a block that may set the passwords of ``users``. If a user's password changes, their sessions end.

    Only the session ``keep`` goes on. The codes of these users become invalid, and a mail tells them. A new email that
    is not verified yet is dropped, because a thief may have set it. All of this is one transaction with the block.

    Args: event: what the record tells about each user.
    """
    with transaction.atomic():
        before = dict(users.values_list("pk", "password"))
        yield
        after = User.objects.filter(pk__in=before).only("pk", "password", "email", "email_verified", "new_email")
        changed = {user.pk: user for user in after if user.password != before[user.pk]}
        for user in changed.values():
            facts: dict[str, Any] = {"dropped_email": masked_email(user.new_email)} if user.new_email else {}
            record(event, user=user, actor=actor, operator=operator, origin=origin, session_id=keep, **facts)
        User.objects.filter(pk__in=changed).update(new_email=None)
        for pk in changed:
            forget_code(pk)
        sessions = Session.objects.filter(user__in=changed)
        if keep is not None:
            sessions = sessions.exclude(pk=keep)
        end_sessions(sessions, actor=actor, reason=EndReason.PASSWORD_CHANGED, origin=origin)
        for user in changed.values():
            by_staff = actor is None or actor.pk != user.pk
            mail_account_changed(user, AccountChange.PASSWORD, origin=origin, by_staff=by_staff)


def change_own_password(
    user_id: str,
    *,
    email: str | None,
    old_password: str,
    new_password: str,
    current: Session,
    actor: User,
    origin: Origin,
) -> None:
    """Change the caller's password. Their session goes on, and all their other sessions end.

    Raises: NotYours, EmailMismatch, PasswordRefused, WrongPassword, TooManyAttempts. Then nothing changes.
    """
    if user_id != actor.pk:
        raise NotYours
    known = [address.upper() for address in (actor.email, actor.new_email) if address] or [""]
    if (email or "").upper() not in known:
        raise EmailMismatch
    check_new_password(new_password, user=actor, field="new_password")
    if not check_own_password(actor, old_password, caller=Place.of(origin)):
        raise WrongPassword
    set_own_password(actor, new_password, origin=origin, keep=current.pk)


def set_own_password(user: User, new_password: str, *, origin: Origin, keep: UUID | None = None) -> None:
    """Set the password of ``user``, who has given the old one. All their sessions but ``keep`` end.

    Raises: WrongPassword, when the old password was changed meanwhile. Then nothing changes.
    """
    whose = User.objects.filter(pk=user.pk)
    new_hash = make_password(new_password)

    @in_transaction
    def change() -> None:
        with password_change(whose, actor=user, origin=origin, keep=keep):
            # Compare and set: if two changes run at once, the second one has a wrong old password by then.
            if not whose.filter(password=user.password).update(password=new_hash):
                raise WrongPassword

    change()


def ask_for_reset_code(
    identity: str, *, by_name_only: bool = False, current: Session | None = None, origin: Origin
) -> None:
    """Mail a reset code to the user with that identity, if there is one and they have an email.

    Staff who have an invitation get none: the link of the invitation sets their password, and only while it lives.

    The user is looked for after the answer, so that the answer takes as long for an unknown identity.

    Args: current: the session of the request's token, if it has one.

    Raises: TooManyAttempts.
    """
    user = _find_active(identity, by_name_only)
    count_request(identity, user=user, caller=Place.of(origin, session=current))
    after_commit(_send_reset_code, identity, by_name_only, **asdict(origin))


def send_reset_code(user: User, *, actor: User, origin: Origin, note: str = "") -> None:
    """Mail a reset code to ``user`` on behalf of staff, after the answer. It is recorded.

    It uses up the allowance of ``actor``, not the one for requests in the name of ``user``.

    Raises: NotYours, EmailMissing, TooManyAttempts. Then nothing is mailed.
    """
    require(actor, Act.SEND_RESET, user)
    if not user.email:
        raise EmailMissing
    count_attempt(Allowance("reset_staff", actor.pk))
    with transaction.atomic():
        record(Event.RESET_ASKED, user=user, actor=actor, origin=origin, note=note)
        after_commit(send_reset_code_to, user.pk)


def reset_password(
    identity: str,
    *,
    code: str,
    new_password: str,
    by_name_only: bool = False,
    current: Session | None = None,
    origin: Origin,
) -> None:
    """Set a new password with the code that was mailed to the user with that identity. All their sessions end.

    A caller who has the code can read the user's mail, so the email is verified, too.

    If the password is refused, the code stays valid and the attempt does not count. The password is compared with
    the user's name after the code was right. Otherwise the answer would tell a stranger about the user.

    Raises: PasswordRefused, CodeInvalid, TooManyAttempts.
    """
    check_new_password(new_password, field="new_password")
    found, caller = _find_active(identity, by_name_only), Place.of(origin, session=current)
    user, attempt = try_code(code, identity=identity, users=[found] if found else [], caller=caller)
    try:
        check_new_password(new_password, user=user, field="new_password")
    except PasswordRefused:
        take_back(keys_of(*attempt))
        raise
    whose, new_hash = User.objects.filter(pk=user.pk), make_password(new_password)

    @in_transaction
    def change() -> None:
        with password_change(whose, actor=user, origin=origin, event=Event.RESET_USED):
            # Every function that deletes codes locks the user's row first.
            whose.update(password=new_hash, email_verified=True)
            if not user.email_verified:
                record(Event.EMAIL_VERIFIED, user=user, actor=user, origin=origin, email=masked_email(user.email))
            use_up(user, code)
            # They have read the mails. A link in an earlier one would take the new password away again.
            forget_links(user.pk, purpose=LinkPurpose.NOT_ME, address=user.email)
        # They forgot their password, so their failed log-ins must not make them wait now. But wrong codes of a second
        # factor still count. Otherwise a thief of the mailbox could guess on after each reset.
        if not has_factor(user):
            forgive_failures(user, caller=caller)

    change()


def _find_active(identity: str, by_name_only: bool) -> User | None:
    user = find_user_by_username(identity) if by_name_only else find_user_by_identity(identity)
    return user if user and user.is_active else None


@job("reset_asked", lifetime=LIFETIME, is_urgent=True)
@in_transaction
def _send_reset_code(identity: str, by_name_only: bool, *, ip: str | None, user_agent: str, request_id: str) -> None:
    user = _find_active(identity, by_name_only)
    if user is None:
        return
    # Otherwise an invitation that nobody accepted would never expire: whoever reads the mail later would be staff.
    is_mailed = bool(user.email) and not (user.is_staff and never_had_a_password(user))
    # Here and not before the answer: the time that it takes would reveal whether the user exists.
    origin = Origin(ip=ip, user_agent=user_agent, request_id=request_id)
    record(Event.RESET_ASKED, user=user, origin=origin, mailed=is_mailed)
    if is_mailed:
        send_reset_code_to(user.pk)
