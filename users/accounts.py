"""How a user comes to be, is found, changes and goes: who may, and what two can't both have."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from users.errors import IdentityTaken, RegistrationClosed, UserNotFound
from users.models import User, is_object_id
from users.permissions import Act, may, require
from users.reset_codes import forget_code


def register_user(
    *, username: str, password: str, by_staff: bool = False, ip: str | None = None, **fields: Any
) -> User:
    """Create a user; the database decides who was first, so two at once can't both win.

    ``ip`` is the caller's address. It becomes the user's first one, unless staff register somebody else.

    Raises: IdentityTaken, when the user name, email or phone number is another user's;
        RegistrationClosed, when settings leave it to staff.
    """
    if not (settings.REGISTRATION_OPEN or by_staff):
        raise RegistrationClosed
    known_ips = [ip] if ip and not by_staff else []
    with _one_of_each():
        return User.objects.create_user(username, password, ip_addresses=known_ips, **fields)


def get_user_to_read(user_id: str, *, actor: User, act: Act) -> User:
    """The user of that id, deleted or not, if ``actor`` may do ``act`` to them.

    Raises: NotYours (the same for known and unknown), UserNotFound (only to staff).
    """
    return _get_target(User.objects.all(), user_id, actor, act)


def get_user_to_change(user_id: str, *, actor: User, act: Act) -> User:
    """The user of that id, unless deleted, if ``actor`` may do ``act`` to them.

    Raises: NotYours (the same for known and unknown), UserNotFound (only to staff).
    """
    return _get_target(User.objects.filter(deleted_at=None), user_id, actor, act)


def users_visible_to(actor: User) -> QuerySet[User]:
    """Themselves; all users for staff who may see them. The deleted ones are left out."""
    users = User.objects.filter(deleted_at=None)
    return users if may(actor, Act.SEE_USER) else users.filter(pk=actor.pk)


def find_users(
    *, actor: User, per_page: int, page: int, since: datetime | None = None, before: datetime | None = None
) -> tuple[list[User], int]:
    """A page of the users created from ``since`` on and before ``before``, newest first, and how many there are in all.

    Raises: NotYours, when ``actor`` may not see users.
    """
    require(actor, Act.SEE_USER)
    users = users_visible_to(actor)
    if since is not None:
        users = users.filter(created_at__gte=since)
    if before is not None:
        users = users.filter(created_at__lt=before)
    start = (page - 1) * per_page
    return list(users.order_by("-created_at", "-pk")[start : start + per_page]), users.count()


def change_user(user: User, **fields: Any) -> None:
    """Change those fields. With another email, nobody has verified it, and no code was mailed to it.

    Raises: IdentityTaken; UserNotFound, when they were deleted meanwhile. Then nothing changes.
    """
    if "username" in fields:
        fields["username"] = User.normalize_username(fields["username"])
    if fields.get("email", user.email) != user.email:
        fields["email_verified"] = False
    fields["updated_at"] = timezone.now()
    with _one_of_each():
        if not User.objects.filter(pk=user.pk, deleted_at=None).update(**fields):
            raise UserNotFound
        if "email_verified" in fields:
            forget_code(user.pk)
    for name, value in fields.items():
        setattr(user, name, value)


def _get_target(users: QuerySet[User], user_id: str, actor: User, act: Act) -> User:
    if user_id == actor.pk:
        require(actor, act, actor)
        return actor
    require(actor, act)  # before the look-up, so that others learn nothing about which ids exist
    user = users.filter(pk=user_id).first() if is_object_id(user_id) else None
    if user is None:
        raise UserNotFound
    require(actor, act, user)
    return user


@contextmanager
def _one_of_each() -> Iterator[None]:
    """One user for each user name, email and phone number. Raises: IdentityTaken; all is taken back."""
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        constraint = getattr(getattr(error.__cause__, "diag", None), "constraint_name", None) or ""
        if constraint.startswith("user_") and constraint.endswith("_taken"):
            raise IdentityTaken(constraint.removeprefix("user_").removesuffix("_taken")) from error
        raise
