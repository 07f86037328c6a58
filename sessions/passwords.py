"""A changed password ends its user's sessions, whoever changes it: who had the old one may have a token, too."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.db.models import QuerySet

from sessions.background import after_answer
from sessions.logout import end_sessions
from sessions.mail import mail_reset_code
from sessions.models import EndReason, Session
from sessions.origin import Origin
from sessions.places import Place
from users.credentials import (
    check_own_password,
    find_user_by_identity,
    find_user_by_username,
    forgive_failures,
)
from users.errors import EmailMismatch, NotYours, PasswordRefused, WrongPassword
from users.models import User
from users.password_policy import check_new_password
from users.reset_codes import count_request, forget_code, issue_code, try_code, use_up
from users.throttling import take_back


@contextmanager
def password_change(
    users: QuerySet[User], *, actor: User | None, origin: Origin | None = None, keep: UUID | None = None
) -> Iterator[None]:
    """Wrap what may set the passwords of ``users``: with those that it sets, their sessions end but for ``keep``.

    Their reset codes are dead, too. One transaction: the password is not changed without the
    sessions being ended, nor the other way.
    """
    with transaction.atomic():
        before = dict(users.values_list("pk", "password"))
        yield
        after = User.objects.filter(pk__in=before).values_list("pk", "password")
        changed = [pk for pk, password in after if password != before[pk]]
        sessions = Session.objects.filter(user__in=changed)
        if keep is not None:
            sessions = sessions.exclude(pk=keep)
        end_sessions(sessions, actor=actor, reason=EndReason.PASSWORD_CHANGED, origin=origin)
        for pk in changed:
            forget_code(pk)


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
    """Change the caller's password. Their session goes on, all of their others end.

    Raises: NotYours, EmailMismatch, PasswordRefused, WrongPassword, TooManyAttempts: then nothing changes.
    """
    if user_id != actor.pk:
        raise NotYours
    if (email or "").upper() != (actor.email or "").upper():
        raise EmailMismatch
    check_new_password(new_password, user=actor, field="new_password")
    if not check_own_password(actor, old_password, caller=Place.of(origin)):
        raise WrongPassword
    whose = User.objects.filter(pk=actor.pk)
    with password_change(whose, actor=actor, origin=origin, keep=current.pk):
        # Compare and set: of two changes at once the second has the wrong old password.
        if not whose.filter(password=actor.password).update(password=make_password(new_password)):
            raise WrongPassword


def ask_for_reset_code(
    identity: str, *, by_name_only: bool = False, current: Session | None = None, origin: Origin
) -> None:
    """Mail a reset code to the user of that identity, if there is one who has an email.

    All that depends on it happens after the answer, which takes as long for an unknown identity. ``current`` is
    the session that the call was made with, if any.

    Raises: TooManyAttempts.
    """
    user = _find_active(identity, by_name_only)
    count_request(identity, user=user, caller=Place.of(origin, session=current))
    after_answer(_send_reset_code, identity, by_name_only)


def reset_password(
    identity: str,
    *,
    code: str,
    new_password: str,
    by_name_only: bool = False,
    current: Session | None = None,
    origin: Origin,
) -> None:
    """Set a new password by the code that was mailed to the user of that identity; all of their sessions end.

    Whoever has the code reads the user's mail: their email is verified by that.

    A password that is refused leaves the code good, and does not count as an attempt. Whether it is like the
    user's name is looked at only when the code was right: before, that would tell a stranger about the user.

    Raises: PasswordRefused, CodeInvalid, TooManyAttempts.
    """
    check_new_password(new_password, field="new_password")
    user, caller = _find_active(identity, by_name_only), Place.of(origin, session=current)
    attempt = try_code(code, identity=identity, user=user, caller=caller)
    assert user is not None  # noqa: S101  # or its code would not have been right
    try:
        check_new_password(new_password, user=user, field="new_password")
    except PasswordRefused:
        take_back(*attempt)
        raise
    whose = User.objects.filter(pk=user.pk)
    with password_change(whose, actor=user, origin=origin):
        use_up(user, code)
        whose.update(password=make_password(new_password), email_verified=True)
        # They are here because they knew no password: nobody is to wait until that is forgotten.
        forgive_failures(user, caller=caller)


def _find_active(identity: str, by_name_only: bool) -> User | None:
    user = find_user_by_username(identity) if by_name_only else find_user_by_identity(identity)
    return user if user and user.is_active else None


def _send_reset_code(identity: str, by_name_only: bool) -> None:
    user = _find_active(identity, by_name_only)
    if user and user.email:
        mail_reset_code(user, issue_code(user))
