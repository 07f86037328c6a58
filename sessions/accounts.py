"""Register, change and delete users. The functions also end sessions, send mails and record changes."""

from typing import Any

from sessions.background import after_commit
from sessions.logout import end_sessions
from sessions.mail import AccountChange, mail_account_changed
from sessions.models import EndReason, Session
from sessions.places import Place
from sessions.reauthentication import require_recent_password
from sessions.sql.locks import lock_addresses_of, lock_sessions
from sessions.verification import send_email_code
from users.clock import database_now
from users.directory import admit_user, change_user, columns_to_change, create_user, get_user_to_change
from users.errors import UserNotFound
from users.models import DeviceToken, User
from users.origin import Origin
from users.permissions import Act
from users.reset_codes import count_request, forget_code
from users.staff_changes import record_change, record_deletion
from users.transactions import in_transaction

# A change of one of these columns needs a recent password, and the user is told by mail.
IDENTIFYING = {"email", "new_email", "username", "phone_number"}


def register(*, ip: str | None, by_staff: bool = False, **fields: Any) -> User:
    """Create a user for a caller from ``ip``, and mail a code that verifies their email.

    Raises: IdentityTaken, PasswordRefused, RegistrationClosed, TooManyAttempts.
    """
    admit_user(ip=ip, by_staff=by_staff, **fields)
    return create_account(ip=None if by_staff else ip, **fields)


@in_transaction
def create_account(**fields: Any) -> User:
    """Create a user that `admit_user` has admitted, and mail a code to their email. Raises: IdentityTaken."""
    user = create_user(**fields)
    after_commit(send_email_code, user.pk)
    return user


def change_account(user: User, *, current: Session, password: str | None = None, origin: Origin, **fields: Any) -> None:
    """Change those fields of ``user``, if the caller may. A change by staff is recorded.

    A code is mailed to a new email. The user can log in and reset the password with it once it is verified. Until then
    the old email stays. A mail to the old email tells about the change.

    Args:
        current: the caller's session.
        password: the caller's, for a change of a column in `IDENTIFYING`.

    Raises: ReauthenticationRequired, TooManyAttempts, IdentityTaken, UserNotFound. Then nothing changes.
    """
    columns = columns_to_change(user, **fields)
    if IDENTIFYING & columns.keys():
        require_recent_password(current, password=password, origin=origin)
    address, set_email = user.email, columns.get("new_email") or columns.get("email")
    if set_email:
        count_request(set_email, user=user, caller=Place.of(origin, session=current))
    changed = [name for name, value in columns.items() if getattr(user, name) != value]
    by_staff = user.pk != current.user_id

    @in_transaction
    def store() -> None:
        change_user(user, **columns)
        if set_email:
            after_commit(send_email_code, user.pk)
        if by_staff and changed and current.user is not None:
            record_change(user, actor=current.user, fields=changed)
        mail_account_changed(address, *_told(columns), by_staff=by_staff)

    store()


@in_transaction
def change_in_admin(user: User, **fields: Any) -> None:
    """Store what staff changed in the admin, and mail the user at their old email.

    The admin's own log records the change. A new email counts once it is verified, as with `change_account`.

    Raises: IdentityTaken, UserNotFound. Then nothing changes.
    """
    columns, address = columns_to_change(user, **fields), user.email
    change_user(user, **columns)
    if columns.get("new_email") or columns.get("email"):
        after_commit(send_email_code, user.pk)
    mail_account_changed(address, *_told(columns), by_staff=True)


def delete_user(user_id: str, *, actor: User, current: Session, password: str | None = None, origin: Origin) -> None:
    """Mark the user as deleted. Their name, email and phone number become free, and all their sessions end.

    The row stays, because the record points at it. A deletion by staff is recorded.

    Args:
        current: the session of ``actor``.
        password: the password of ``actor``.

    Raises: NotYours, UserNotFound, ReauthenticationRequired, TooManyAttempts.
    """
    user = get_user_to_change(user_id, actor=actor, act=Act.DELETE_USER)
    require_recent_password(current, password=password, origin=origin)
    _delete(user, actor=actor, origin=origin)


@in_transaction
def _delete(user: User, *, actor: User, origin: Origin) -> None:
    now = database_now()
    if not User.objects.filter(pk=user.pk, deleted_at=None).update(deleted_at=now, updated_at=now):
        raise UserNotFound
    forget_code(user.pk)
    sessions = Session.objects.filter(user=user)
    lock_addresses_of(lock_sessions(sessions.filter(ended_at=None)), user_id=user.pk)
    end_sessions(sessions, actor=actor, reason=EndReason.USER_DELETED, origin=origin)
    DeviceToken.objects.filter(user=user).update(user=None, updated_at=now)
    if actor.pk != user.pk:
        record_deletion(user, actor=actor)
    mail_account_changed(user.email, AccountChange.DELETED, by_staff=user.pk != actor.pk)


def _told(columns: dict[str, Any]) -> list[AccountChange]:
    told = []
    if "new_email" in columns:
        told.append(AccountChange.EMAIL_ASKED if columns["new_email"] else AccountChange.EMAIL_KEPT)
    if "username" in columns:
        told.append(AccountChange.USERNAME)
    if "phone_number" in columns:
        told.append(AccountChange.PHONE_NUMBER)
    return told
