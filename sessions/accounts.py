"""Deleting a user: softly, and with all that they are logged in with."""

from django.db import transaction

from sessions.logout import end_sessions
from sessions.models import EndReason, Session
from sessions.origin import Origin
from users.accounts import get_user_to_change
from users.clock import database_now
from users.errors import UserNotFound
from users.models import DeviceToken, User
from users.reset_codes import forget_code


@transaction.atomic
def delete_user(user_id: str, *, actor: User, origin: Origin) -> None:
    """Mark the user as deleted; their name, email and phone number are free, all their sessions end.

    The row stays, for the record points at it.

    Raises: NotYours, UserNotFound.
    """
    user = get_user_to_change(user_id, actor=actor, permission="users.delete_user")
    now = database_now()
    if not User.objects.filter(pk=user.pk, deleted_at=None).update(deleted_at=now, updated_at=now):
        raise UserNotFound
    end_sessions(Session.objects.filter(user=user), actor=actor, reason=EndReason.USER_DELETED, origin=origin)
    DeviceToken.objects.filter(user=user).update(user=None, updated_at=now)
    forget_code(user.pk)
