"""The user directory: create, find and change users. User names, emails and phone numbers are unique."""

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

from users.errors import CodeInvalid, IdentityTaken, RegistrationClosed, UserNotFound
from users.models import User, is_object_id
from users.one_use_links import forget_links
from users.origin import NOWHERE, Origin
from users.password_policy import check_new_password, never_had_a_password
from users.permissions import Act, may, require
from users.record.changes import RECORDED, record_user_changes
from users.record.events import Event
from users.record.masking import masked_email
from users.record.writing import By, record
from users.reset_codes import forget_code
from users.throttling import Allowance, count_attempt, network_of


def register_user(*, ip: str | None = None, by_staff: bool = False, **fields: Any) -> User:
    """Check and create a user with these ``fields`` (username, password and others) for a caller at ``ip``.

    Raises: the errors of `admit_user` and `create_user`.
    """
    admit_user(ip=ip, by_staff=by_staff, **fields)
    return create_user(by={"origin": Origin(ip=ip)}, **fields)


def admit_user(*, password: str, ip: str | None, by_staff: bool = False, **fields: Any) -> None:
    """Check that a user may be created, before the slow password hash. Counts an attempt, except for staff.

    Do not call it in a transaction: a rollback would also undo the count.

    Raises: RegistrationClosed (only staff may create users here), PasswordRefused, TooManyAttempts.
    """
    if not (settings.REGISTRATION_OPEN or by_staff):
        raise RegistrationClosed
    check_new_password(password, user=User(**fields))
    if not by_staff:
        count_attempt(Allowance("register", network_of(ip)))


def create_user(*, username: str, password: str | None, by: By, **fields: Any) -> User:
    """Create a user and record it. If no ``actor`` orders it, the address of ``by`` is stored as the user's first.

    Args: password: None for a user who has none yet, so that nobody can log in.

    Raises: IdentityTaken, when another user has the user name, email or phone number.
    """
    is_own = by.get("actor") is None
    ip = by.get("origin", NOWHERE).ip if is_own else None
    with _one_of_each(username=User.normalize_username(username), **fields):
        user = User.objects.create_user(username, password, ip_addresses=[ip] if ip else [], **fields)
        record(Event.USER_CREATED, user=user, **(by | {"actor": user} if is_own else by))
    return user


def get_user_to_read(user_id: str, *, actor: User, act: Act) -> User:
    """Return the user with that id, deleted or not, if ``actor`` may do ``act`` to them.

    Raises: NotYours (for known and unknown ids alike), UserNotFound (only if ``actor`` is staff).
    """
    return _get_target(User.objects.all(), user_id, actor, act)


def get_user_to_change(user_id: str, *, actor: User, act: Act) -> User:
    """Return the user with that id, unless deleted, if ``actor`` may do ``act`` to them.

    Raises: NotYours (for known and unknown ids alike), UserNotFound (only if ``actor`` is staff).
    """
    return _get_target(User.objects.filter(deleted_at=None), user_id, actor, act)


def users_visible_to(actor: User) -> QuerySet[User]:
    """Return all users for staff who may see users, and otherwise only ``actor``. Deleted users are left out."""
    users = User.objects.filter(deleted_at=None)
    return users if may(actor, Act.SEE_USER) else users.filter(pk=actor.pk)


def find_users(
    *, actor: User, per_page: int, page: int, since: datetime | None = None, before: datetime | None = None
) -> tuple[list[User], int]:
    """Return a page of users, newest first, and the number of users on all pages.

    ``since`` and ``before`` limit the time of creation; ``since`` is included.

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


def columns_to_change(user: User, **fields: Any) -> dict[str, Any]:
    """Map the ``fields`` that a client sets to the columns of ``user`` that change, with their new values.

    An existing email stays until the new one is verified; until then the new one is `new_email`. But the
    unverified email of a person who is invited to the staff is replaced at once. A user name, email or phone number
    that is set to its present value is left out.
    """
    if "username" in fields:
        fields["username"] = User.normalize_username(fields["username"])
    for name in ("username", "phone_number"):
        if name in fields and fields[name] == getattr(user, name):
            del fields[name]
    email = fields.pop("email", user.latest_email)
    if email == user.latest_email:
        return fields
    if email is None:
        return fields | {"email": None, "new_email": None, "email_verified": False}
    if user.email is None:
        return fields | {"email": email, "email_verified": False}
    if user.is_staff and not user.email_verified and never_had_a_password(user):
        # Nobody has used the account yet. An invitation that went to a wrong address must stop working at once.
        return fields | {"email": email, "new_email": None, "email_verified": False}
    return fields | {"new_email": None if email == user.email else email}


def change_user(user: User, *, by: By, **columns: Any) -> None:
    """Store new values of these columns, and record what has changed.

    Raises: IdentityTaken; UserNotFound, when the user was deleted meanwhile. After an error nothing has changed.
    """
    columns["updated_at"] = timezone.now()
    if (new_email := columns.get("new_email")) and _has_another(user, new_email):
        raise IdentityTaken("email")
    with _one_of_each(besides=user.pk, **columns):
        stored = User.objects.filter(pk=user.pk, deleted_at=None)
        old = stored.select_for_update(no_key=True).values(*RECORDED).first()
        if old is None:
            raise UserNotFound
        stored.update(**columns)
        if columns.get("is_active"):
            # Staff have found out whose account it is. A thief who had set their own email can't lock it again, nor use
            # a code that was mailed before.
            forget_code(user.pk)
            forget_links(user.pk)
        record_user_changes(user, old, old | columns, **by)
    for name, value in columns.items():
        setattr(user, name, value)


def adopt_latest_email(user: User, *, by: By) -> None:
    """Make the latest email of ``user`` their verified email, and record it.

    The caller has checked that the user can read its mail.

    Raises: IdentityTaken, when another user has it now; CodeInvalid, when it is no longer the latest.
    """
    as_seen = User.objects.filter(pk=user.pk, email=user.email, new_email=user.new_email, deleted_at=None)
    columns = {"email": user.latest_email, "new_email": None, "email_verified": True, "updated_at": timezone.now()}
    with _one_of_each(besides=user.pk, email=columns["email"]):
        if not as_seen.update(**columns):
            raise CodeInvalid
        replaced = masked_email(user.email if user.new_email else None)
        record(Event.EMAIL_VERIFIED, user=user, email=masked_email(user.latest_email), replaced=replaced, **by)


def _has_another(user: User, email: str) -> bool:
    return User.objects.filter(email__iexact=email, deleted_at=None).exclude(pk=user.pk).exists()


def _get_target(users: QuerySet[User], user_id: str, actor: User, act: Act) -> User:
    if user_id == actor.pk:
        require(actor, act, actor)
        return actor
    require(actor, act)  # check this before the look-up: the answer must not reveal which ids exist
    user = users.filter(pk=user_id).first() if is_object_id(user_id) else None
    if user is None:
        raise UserNotFound
    require(actor, act, user)
    return user


@contextmanager
def _one_of_each(*, besides: str = "", **fields: Any) -> Iterator[None]:
    """Run a block that stores these ``fields`` of a user, in a transaction.

    It first checks whether another user has the same values, so that PostgreSQL logs no constraint error. If two
    requests race, the unique constraints decide.

    Args: besides: id of the user that is changed.

    Raises: IdentityTaken. The transaction is rolled back.
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
    """Return the first of the three fields whose value another user has. Compares like the unique constraints."""
    rules = {"username": Q(username__iexact=username)} if username else {}
    rules |= {"email": Q(email__iexact=email)} if email else {}
    rules |= {"phone_number": Q(phone_number=phone_number)} if phone_number else {}
    if not rules:
        return None
    same = [ExpressionWrapper(rule, BooleanField()) for rule in rules.values()]
    users = User.objects.filter(reduce(or_, rules.values()), deleted_at=None).exclude(pk=besides)
    found = list(users.values_list(*same))
    return next((name for place, name in enumerate(rules) if any(row[place] for row in found)), None)
