"""Register, change and delete users. The functions also end sessions, send mails and record changes."""

from copy import copy
from typing import Any
from uuid import UUID

from sessions.jobs.deferring import after_commit
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
from users.one_use_links import forget_links
from users.origin import Origin
from users.permissions import Act
from users.record.events import Event
from users.record.writing import By, record
from users.reset_codes import count_request, forget_code
from users.second_factor.enabling import disable
from users.transactions import in_transaction

# A change of one of these columns needs a recent password, and the user is told by mail.
IDENTIFYING = {"email", "new_email", "username", "phone_number"}


def register(*, origin: Origin, staff: User | None = None, **fields: Any) -> User:
    """Create a user for a caller, and mail a code that verifies their email.

    Args: staff: the caller, if they may create users for others.

    Raises: IdentityTaken, PasswordRefused, RegistrationClosed, TooManyAttempts.
    """
    admit_user(ip=origin.ip, by_staff=staff is not None, **fields)
    return create_account(by={"actor": staff, "origin": origin}, **fields)


@in_transaction
def create_account(*, by: By, **fields: Any) -> User:
    """Create a user that `admit_user` has admitted, and mail a code to their email. Raises: IdentityTaken."""
    user = create_user(by=by, **fields)
    after_commit(send_email_code, user.pk)
    return user


def change_account(user: User, *, current: Session, password: str | None = None, origin: Origin, **fields: Any) -> None:
    """Change those fields of ``user``, if the caller may. The change is recorded.

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
    before, set_email = copy(user), columns.get("new_email") or columns.get("email")
    if set_email:
        count_request(set_email, user=user, caller=Place.of(origin, session=current))
    by: By = {"actor": current.user, "origin": origin, "session_id": current.pk}
    by_staff = user.pk != current.user_id

    @in_transaction
    def store() -> None:
        change_user(user, by=by, **columns)
        if set_email:
            after_commit(send_email_code, user.pk)
        mail_account_changed(before, *_told(columns), origin=origin, by_staff=by_staff)

    store()


@in_transaction
def change_in_admin(user: User, *, by: By, **fields: Any) -> None:
    """Store and record what staff changed in the admin, and mail the user at their old email.

    A new email counts once it is verified, as with `change_account`.

    Raises: IdentityTaken, UserNotFound. Then nothing changes.
    """
    columns, before = columns_to_change(user, **fields), copy(user)
    change_user(user, by=by, **columns)
    if columns.get("new_email") or columns.get("email"):
        after_commit(send_email_code, user.pk)
    mail_account_changed(before, *_told(columns), by_staff=True)


@in_transaction
def enable_user(user_id: str, *, actor: User, origin: Origin, note: str = "") -> bool:
    """Enable an account that is disabled, and record it. Returns: whether this call did it.

    Sessions that somebody left open when they disabled the account end now. Otherwise a thief's would work again.

    Raises: NotYours, UserNotFound.
    """
    user = get_user_to_change(user_id, actor=actor, act=Act.DISABLE_USER)
    disabled = User.objects.filter(pk=user.pk, is_active=False, deleted_at=None)
    if not disabled.update(is_active=True, updated_at=database_now()):
        return False
    # A mail to a thief may hold a code for a new password, or a link that would disable the account again.
    forget_code(user.pk)
    forget_links(user.pk)
    end_sessions(Session.objects.filter(user=user), actor=actor, reason=EndReason.USER_DISABLED, origin=origin)
    record(Event.USER_ENABLED, user=user, actor=actor, origin=origin, note=note)
    return True


def delete_user(user_id: str, *, actor: User, current: Session, password: str | None = None, origin: Origin) -> None:
    """Mark the user as deleted. Their name, email and phone number become free, and all their sessions end.

    The row stays, because the record points at it. The deletion is recorded.

    Args:
        current: the session of ``actor``.
        password: the password of ``actor``.

    Raises: NotYours, UserNotFound, ReauthenticationRequired, TooManyAttempts.
    """
    user = get_user_to_change(user_id, actor=actor, act=Act.DELETE_USER)
    require_recent_password(current, password=password, origin=origin)
    _delete(user, actor=actor, origin=origin, session_id=current.pk)


@in_transaction
def _delete(user: User, *, actor: User, origin: Origin, session_id: UUID) -> None:
    now = database_now()
    if not User.objects.filter(pk=user.pk, deleted_at=None).update(deleted_at=now, updated_at=now):
        raise UserNotFound
    forget_code(user.pk)
    forget_links(user.pk)
    disable(user)
    sessions = Session.objects.filter(user=user)
    lock_addresses_of(lock_sessions(sessions.filter(ended_at=None)), user_id=user.pk)
    end_sessions(sessions, actor=actor, reason=EndReason.USER_DELETED, origin=origin)
    DeviceToken.objects.filter(user=user).update(user=None, updated_at=now)
    record(Event.USER_DELETED, user=user, actor=actor, origin=origin, session_id=session_id)
    mail_account_changed(user, AccountChange.DELETED, origin=origin, by_staff=user.pk != actor.pk)


def _told(columns: dict[str, Any]) -> list[AccountChange]:
    told = []
    if "email" in columns and columns["email"] is None:
        told.append(AccountChange.EMAIL_REMOVED)
    elif "new_email" in columns and "email" not in columns:
        told.append(AccountChange.EMAIL_ASKED if columns["new_email"] else AccountChange.EMAIL_KEPT)
    if "username" in columns:
        told.append(AccountChange.USERNAME)
    if "phone_number" in columns:
        told.append(AccountChange.PHONE_NUMBER)
    return told
