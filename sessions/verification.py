"""Verify an email by a code that was mailed to it. A caller who has the code can read the mail."""

from sessions.jobs.deferring import after_commit, job
from sessions.mail import AccountChange, mail_account_changed, mail_email_code
from sessions.places import Place
from users.directory import adopt_latest_email
from users.errors import NoSmsGateway
from users.identities import find_user_by_username, find_users_to_verify
from users.models import User
from users.origin import Origin
from users.reset_codes import LIFETIME, Purpose, count_request, forget_code, issue_code, try_code, use_up
from users.transactions import in_transaction


def ask_for_email_code(*, email: str | None, user_id: str, origin: Origin) -> None:
    """Mail a code to ``email``, if it is the latest email of that user.

    Neither the answer nor the time that it takes reveals whether it is.

    Raises: NoSmsGateway, without an email; TooManyAttempts.
    """
    if email is None:
        raise NoSmsGateway
    count_request(email, user=User.objects.filter(pk=user_id).first(), caller=Place.of(origin))
    after_commit(send_email_code, user_id, email)


def ask_for_email_code_again(*, email: str | None, username: str | None, origin: Origin) -> None:
    """Mail a code to ``email``, if it is the latest email of a user. Without ``email``, use that of ``username``.

    Raises: NoSmsGateway, without both; TooManyAttempts.
    """
    identity = email or username
    if identity is None:
        raise NoSmsGateway
    user = next(iter(find_users_to_verify(email)), None) if email else find_user_by_username(identity)
    count_request(identity, user=user, caller=Place.of(origin))
    after_commit(_send_again, email, username)


def verify_email(identity: str, *, code: str, origin: Origin) -> None:
    """Verify the latest email of the user with that identity by the code that was mailed to it.

    It replaces the user's earlier email. A mail to the earlier email tells about the change.

    Raises: CodeInvalid, TooManyAttempts; IdentityTaken, when another user has verified it first.
    """
    users = find_users_to_verify(identity)
    caller = Place.of(origin)
    user, _ = try_code(code, identity=identity, users=users, caller=caller, purpose=Purpose.EMAIL)
    _verify(user, code, origin)


def verify_own_email(user: User, *, code: str, origin: Origin) -> None:
    """Verify the latest email of ``user``, who is logged in. Like `verify_email`, for this user only.

    Raises: CodeInvalid, IdentityTaken, TooManyAttempts.
    """
    identity, caller = user.latest_email or "", Place.of(origin)
    try_code(code, identity=identity, users=[user], caller=caller, purpose=Purpose.EMAIL)
    _verify(user, code, origin)


@in_transaction
def _verify(user: User, code: str, origin: Origin) -> None:
    # Every function that deletes codes locks the user's row first. In another order two of them could deadlock.
    adopt_latest_email(user, by={"actor": user, "origin": origin})
    use_up(user, code, purpose=Purpose.EMAIL)
    if user.new_email:
        forget_code(user.pk)  # the code that resets the password was mailed to the earlier email
        mail_account_changed(user, AccountChange.EMAIL, origin=origin)


@job("email_code", lifetime=LIFETIME, is_urgent=True)
@in_transaction
def send_email_code(user_id: str, email: str | None = None) -> None:
    """Mail a code to the latest email of that user. If ``email`` is given and is not that one, do nothing."""
    user = User.objects.filter(pk=user_id, is_active=True, deleted_at=None).first()
    if user and user.latest_email and (email is None or _is_same(email, user.latest_email)):
        mail_email_code(user, issue_code(user, purpose=Purpose.EMAIL))


@job("email_code_again", lifetime=LIFETIME, is_urgent=True)
def _send_again(email: str | None, username: str | None) -> None:
    if email is not None:
        for waiting in find_users_to_verify(email):
            send_email_code(waiting.pk, email)
    elif user := find_user_by_username(username or ""):
        send_email_code(user.pk)


def _is_same(one: str, other: str) -> bool:
    return one.upper() == other.upper()
