"""Who may do what to whom. Every door asks here: both dialects, the admin and the commands.

- People act on themselves as ordinary users do.
- An act on somebody else takes the permission and `is_staff`, of an account that is active and not deleted
  (`is_acting_staff`, which `User.has_perm` asks). A former operator who still has permissions may do nothing with them.
- Staff, superusers and everybody who holds a permission are protected: superusers alone change, delete and
  disable them.
- Superusers alone end the sessions of superusers.
- Superusers alone change powers. Nobody changes their own powers, role or `is_active`.

It imports no models, so that settings can import it.
"""

from enum import Enum, auto
from typing import TYPE_CHECKING, TypeAlias

from django.db.models import Q

from users.errors import NotYours

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from users.models import User

    Actor: TypeAlias = User | AnonymousUser | None


class Act(Enum):
    """Something that a user does to another, or to the installation."""

    SEE_USER = auto()
    ADD_USER = auto()
    CHANGE_USER = auto()
    SET_ROLE = auto()
    CHANGE_POWERS = auto()
    DISABLE_USER = auto()  # and enable
    DELETE_USER = auto()
    SEND_RESET = auto()
    SEE_SESSIONS = auto()
    END_SESSIONS = auto()  # of one user
    END_MANY = auto()
    EXPLAIN = auto()
    SEE_RUNS = auto()
    SEE_REFUSED_LOGINS = auto()
    SEE_APPS = auto()
    SEE_DEVICES = auto()
    SEE_DEVICE_TOKENS = auto()
    SEE_GROUPS = auto()


# All of the permissions that an act takes.
_PERMISSIONS: dict[Act, tuple[str, ...]] = {
    Act.SEE_USER: ("users.view_user",),
    Act.ADD_USER: ("users.add_user",),
    Act.CHANGE_USER: ("users.change_user",),
    Act.SET_ROLE: ("users.change_user",),
    Act.CHANGE_POWERS: ("users.change_user",),
    Act.DISABLE_USER: ("users.change_user", "user_sessions.end_session"),  # it ends their sessions, too
    Act.DELETE_USER: ("users.delete_user",),
    Act.SEND_RESET: ("users.change_user",),
    Act.SEE_SESSIONS: ("user_sessions.view_session",),
    Act.END_SESSIONS: ("user_sessions.end_session",),
    Act.END_MANY: ("user_sessions.end_all_sessions",),
    Act.EXPLAIN: ("user_sessions.view_session",),
    Act.SEE_RUNS: ("user_sessions.view_bulkrun",),
    Act.SEE_REFUSED_LOGINS: ("users.view_refusedlogin",),
    Act.SEE_APPS: ("users.view_app",),
    Act.SEE_DEVICES: ("users.view_device",),
    Act.SEE_DEVICE_TOKENS: ("users.view_devicetoken",),
    Act.SEE_GROUPS: ("auth.view_group",),
}
# What users do to themselves without any permission.
_OF_ONESELF = {Act.SEE_USER, Act.CHANGE_USER, Act.DELETE_USER, Act.SEE_SESSIONS, Act.END_SESSIONS}
_NEVER_OF_ONESELF = {Act.SET_ROLE, Act.CHANGE_POWERS, Act.DISABLE_USER, Act.SEND_RESET}
_BY_SUPERUSERS_ONLY = {Act.CHANGE_POWERS}
_CHANGES = {Act.CHANGE_USER, Act.SET_ROLE, Act.CHANGE_POWERS, Act.DISABLE_USER, Act.DELETE_USER, Act.SEND_RESET}
# The fields of a user that take more than CHANGE_USER.
_ACT_OF_FIELD = {
    "is_staff": Act.CHANGE_POWERS,
    "is_superuser": Act.CHANGE_POWERS,
    "groups": Act.CHANGE_POWERS,
    "user_permissions": Act.CHANGE_POWERS,
    "role_id": Act.SET_ROLE,
    "is_active": Act.DISABLE_USER,
}

# Condition on sessions: not of a superuser. App-level sessions have no user.
NOT_OF_SUPERUSERS = Q(user=None) | Q(user__is_superuser=False)
# The same as a condition on users.
NOT_SUPERUSERS = Q(is_superuser=False)


def may(actor: "Actor", act: Act, target: "User | None" = None) -> bool:
    """Whether ``actor`` may do that to ``target``; without a target, whether they may do it to anybody."""
    if actor is not None and target is not None and actor.pk == target.pk and act in _OF_ONESELF:
        return target.is_active and target.deleted_at is None
    return may_as_staff(actor, act, target)


def may_as_staff(actor: "Actor", act: Act, target: "User | None" = None) -> bool:
    """The same without what people may do to themselves: the admin is for staff, and asks for no password."""
    if actor is None or not actor.has_perms(_PERMISSIONS[act]):
        return False
    if act in _BY_SUPERUSERS_ONLY and not actor.is_superuser:
        return False
    return target is None or _may_to(actor, act, target)


def require(actor: "Actor", act: Act, target: "User | None" = None) -> None:
    """Raises: NotYours, unless ``actor`` may do that to ``target``."""
    if not may(actor, act, target):
        raise NotYours


def is_acting_staff(user: "User") -> bool:
    """Whether the permissions of ``user`` allow anything at all."""
    return user.is_staff and user.is_active and user.deleted_at is None


def is_protected(user: "User") -> bool:
    """Whether superusers alone may change, delete and disable ``user``."""
    return (
        user.is_staff
        or user.is_superuser
        or user.user_permissions.exists()
        or user.groups.filter(permissions__isnull=False).exists()
    )


def may_end_sessions(actor: "Actor", *, of_many: bool) -> bool:
    """Whether ``actor`` may end sessions of another user, or of many users at once."""
    return may(actor, Act.END_MANY if of_many else Act.END_SESSIONS)


def closed_fields(actor: "Actor", target: "User") -> list[str]:
    """The fields of ``target`` that ``actor`` must not change, even if they may change the other ones."""
    return [field for field, act in _ACT_OF_FIELD.items() if not may_as_staff(actor, act, target)]


def spares_superusers(actor: "User") -> bool:
    """Whether ``actor`` must leave the sessions of superusers alone."""
    return not actor.is_superuser


def endable_by(actor: "User") -> Q:
    """The condition on sessions that staff with END_SESSIONS or END_MANY may end."""
    return NOT_OF_SUPERUSERS if spares_superusers(actor) else Q()


def _may_to(actor: "User | AnonymousUser", act: Act, target: "User") -> bool:
    if act in _NEVER_OF_ONESELF and actor.pk == target.pk:
        return False
    if act in _CHANGES and target.deleted_at is not None:
        return False
    if actor.is_superuser:
        return True
    if act is Act.END_SESSIONS:
        return not target.is_superuser
    return act not in _CHANGES or not is_protected(target)
