"""Changing and deleting users: who may, what ends with it, who is told of it."""

from typing import Any

from django.db import transaction

from sessions.logout import end_sessions
from sessions.mail import tell_of_change
from sessions.models import EndReason, Session
from sessions.origin import Origin
from users.accounts import change_user, get_user_to_change
from users.clock import database_now
from users.errors import UserNotFound
from users.models import DeviceToken, User
from users.permissions import Act
from users.record import record_change, record_deletion
from users.reset_codes import forget_code


@transaction.atomic
def change_account(user: User, *, actor: User, on_record: bool = True, **fields: Any) -> None:
    """Change those fields. A change by staff is on record, and the user is told at the address they had before.

    The caller has asked `users.permissions` whether ``actor`` may.

    Args: on_record: False, when the caller writes the record, as the admin does.

    Raises: IdentityTaken, UserNotFound. Then nothing changes.
    """
    address, changed = user.email, [name for name, value in fields.items() if getattr(user, name) != value]
    change_user(user, **fields)
    if actor.pk == user.pk or not changed:
        return
    if on_record:
        record_change(user, actor=actor, fields=changed)
    tell_of_change(address, changed, by_staff=True)


@transaction.atomic
def delete_user(user_id: str, *, actor: User, origin: Origin) -> None:
    """Mark the user as deleted; their name, email and phone number are free, all their sessions end.

    The row stays, for the record points at it. A deletion by staff is on record.

    Raises: NotYours, UserNotFound.
    """
    user = get_user_to_change(user_id, actor=actor, act=Act.DELETE_USER)
    now = database_now()
    if not User.objects.filter(pk=user.pk, deleted_at=None).update(deleted_at=now, updated_at=now):
        raise UserNotFound
    end_sessions(Session.objects.filter(user=user), actor=actor, reason=EndReason.USER_DELETED, origin=origin)
    DeviceToken.objects.filter(user=user).update(user=None, updated_at=now)
    forget_code(user.pk)
    if actor.pk != user.pk:
        record_deletion(user, actor=actor)
