"""How a user comes to be, is found, changes and goes: who may, and what two can't both have."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from users.errors import CodeInvalid, IdentityTaken, NotYours, RegistrationClosed, UserNotFound
from users.models import User, is_object_id

# Ending sessions takes nothing over, so it may be done to other staff, too.
END_SESSION = "user_sessions.end_session"


def register_user(*, username: str, password: str, by_staff: bool = False, **fields: Any) -> User:
    """Create a user; the database decides who was first, so two at once can't both win.

    Raises: IdentityTaken, when the user name, email or phone number is another user's;
        RegistrationClosed, when settings leave it to staff.
    """
    if not (settings.REGISTRATION_OPEN or by_staff):
        raise RegistrationClosed
    with _one_of_each():
        return User.objects.create_user(username, password, **fields)


def get_user_to_read(user_id: str, *, actor: User, permission: str) -> User:
    """The actor's own, or another user, deleted or not, if ``actor`` is staff with that permission.

    Raises: NotYours (the same for known and unknown), UserNotFound (only to staff).
    """
    return actor if user_id == actor.pk else _of_another(User.objects.all(), user_id, actor, permission)


def get_user_to_change(user_id: str, *, actor: User, permission: str) -> User:
    """The actor's own, or another user, if ``actor`` is staff with that permission.

    A superuser's account is for superusers only, and staff are changed and deleted by superusers
    only: who could give another an email of their own could take over what that one may do.

    Raises: NotYours (the same for known and unknown), UserNotFound (only to staff).
    """
    if user_id == actor.pk:
        return actor
    user = _of_another(User.objects.filter(deleted_at=None), user_id, actor, permission)
    protected = user.is_superuser or (user.is_staff and permission != END_SESSION)
    if protected and not actor.is_superuser:
        raise NotYours
    return user


def users_visible_to(actor: User) -> QuerySet[User]:
    """Themselves; all users for staff who may see them. The deleted ones are left out."""
    users = User.objects.filter(deleted_at=None)
    return users if actor.has_perm("users.view_user") else users.filter(pk=actor.pk)


def find_users(
    *, actor: User, per_page: int, page: int, since: datetime | None = None, before: datetime | None = None
) -> tuple[list[User], int]:
    """A page of the users created from ``since`` on and before ``before``, newest first, and how many there are in all.

    Raises: NotYours, when ``actor`` may not see users.
    """
    if not actor.has_perm("users.view_user"):
        raise NotYours
    users = users_visible_to(actor)
    if since is not None:
        users = users.filter(created_at__gte=since)
    if before is not None:
        users = users.filter(created_at__lt=before)
    start = (page - 1) * per_page
    return list(users.order_by("-created_at", "-pk")[start : start + per_page]), users.count()


def columns_to_change(user: User, **fields: Any) -> dict[str, Any]:
    """The columns of ``user`` that change when clients set ``fields``, with their new values.

    An email that is there stays until another one is verified: that one becomes `new_email`. What
    identifies the user and is set to its present value does not change, so it is left out.
    """
    if "username" in fields:
        fields["username"] = User.normalize_username(fields["username"])
    for name in ("username", "phone_number"):
        if name in fields and fields[name] == getattr(user, name):
            del fields[name]
    email = fields.pop("email", user.latest_email)
    if email == user.latest_email:
        return fields
    if user.email is None:
        return fields | {"email": email, "email_verified": False}
    return fields | {"new_email": None if email == user.email else email}


def change_user(user: User, **columns: Any) -> None:
    """Store those columns.

    Raises: IdentityTaken; UserNotFound, when they were deleted meanwhile. Then nothing changes.
    """
    columns["updated_at"] = timezone.now()
    if (new_email := columns.get("new_email")) and _has_another(user, new_email):
        raise IdentityTaken("email")
    with _one_of_each():
        if not User.objects.filter(pk=user.pk, deleted_at=None).update(**columns):
            raise UserNotFound
    for name, value in columns.items():
        setattr(user, name, value)


def adopt_latest_email(user: User) -> None:
    """Make the latest email of ``user``, who has shown that they read it, the one that counts.

    Raises: IdentityTaken, when another user has it by now; CodeInvalid, when it is no longer their latest.
    """
    as_seen = User.objects.filter(pk=user.pk, email=user.email, new_email=user.new_email, deleted_at=None)
    columns = {"email": user.latest_email, "new_email": None, "email_verified": True, "updated_at": timezone.now()}
    with _one_of_each():
        if not as_seen.update(**columns):
            raise CodeInvalid


def _has_another(user: User, email: str) -> bool:
    return User.objects.filter(email__iexact=email, deleted_at=None).exclude(pk=user.pk).exists()


def _of_another(users: QuerySet[User], user_id: str, actor: User, permission: str) -> User:
    if not actor.has_perm(permission):
        raise NotYours
    user = users.filter(pk=user_id).first() if is_object_id(user_id) else None
    if user is None:
        raise UserNotFound
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
