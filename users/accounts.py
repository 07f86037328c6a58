"""How a user comes to be, is found, changes and goes: who may, and what two can't both have."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import reduce
from operator import or_
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import BooleanField, ExpressionWrapper, Q, QuerySet
from django.utils import timezone

from users.errors import IdentityTaken, RegistrationClosed, UserNotFound
from users.models import User, is_object_id
from users.password_policy import check_new_password
from users.permissions import Act, may, require
from users.reset_codes import forget_code
from users.throttling import Allowance, count_attempt, network_of


def register_user(*, ip: str | None = None, by_staff: bool = False, **fields: Any) -> User:
    """Create a user with these ``fields`` (username, password and others), for a caller from ``ip``.

    Raises: what `admit_user` and `create_user` raise.
    """
    admit_user(ip=ip, by_staff=by_staff, **fields)
    return create_user(ip=None if by_staff else ip, **fields)


def admit_user(*, password: str, ip: str | None, by_staff: bool = False, **fields: Any) -> None:
    """Check that a user may be created, before anything slow is done. Counts as an attempt, but for staff.

    Do not call it inside a transaction: a rollback would forget the attempt.

    Raises: RegistrationClosed, when settings leave it to staff; PasswordRefused; TooManyAttempts.
    """
    if not (settings.REGISTRATION_OPEN or by_staff):
        raise RegistrationClosed
    check_new_password(password, user=User(**fields))
    if not by_staff:
        count_attempt(Allowance("register", network_of(ip)))


def create_user(*, username: str, password: str, ip: str | None = None, **fields: Any) -> User:
    """Create a user, who registered from ``ip``.

    Raises: IdentityTaken, when the user name, email or phone number is another user's.
    """
    with _one_of_each(username=User.normalize_username(username), **fields):
        return User.objects.create_user(username, password, ip_addresses=[ip] if ip else [], **fields)


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
    with _one_of_each(besides=user.pk, **fields):
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
def _one_of_each(*, besides: str = "", **fields: Any) -> Iterator[None]:
    """A transaction that gives a user (``besides``: which one) these ``fields``.

    It asks first whether another user has them, so that the database has no error to log. When two requests
    ask at once, the unique constraints decide.

    Raises: IdentityTaken; all is taken back.
    """
    try:
        with transaction.atomic():
            if taken := _find_taken(besides=besides, **fields):
                raise IdentityTaken(taken)
            yield
    except IntegrityError as error:
        constraint = getattr(getattr(error.__cause__, "diag", None), "constraint_name", None) or ""
        if constraint.startswith("user_") and constraint.endswith("_taken"):
            raise IdentityTaken(constraint.removeprefix("user_").removesuffix("_taken")) from error
        raise


def _find_taken(
    *,
    besides: str,
    username: str | None = None,
    email: str | None = None,
    phone_number: str | None = None,
    **others: Any,
) -> str | None:
    """The first of the three that another user has, compared as the unique constraints compare. One statement."""
    rules = {"username": Q(username__iexact=username)} if username else {}
    rules |= {"email": Q(email__iexact=email)} if email else {}
    rules |= {"phone_number": Q(phone_number=phone_number)} if phone_number else {}
    if not rules:
        return None
    same = [ExpressionWrapper(rule, BooleanField()) for rule in rules.values()]
    users = User.objects.filter(reduce(or_, rules.values()), deleted_at=None).exclude(pk=besides)
    found = list(users.values_list(*same))
    return next((name for place, name in enumerate(rules) if any(row[place] for row in found)), None)
