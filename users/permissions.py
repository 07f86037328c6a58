"""Who may do what to whom. Both dialects, the admin and the commands use this module.

- Users may read, change and delete their own account, and see and end their own sessions, and
  see the record of it.
- An act on another user needs `is_staff`, an active account that is not deleted, and the permission. The permissions
  of former staff stay, but have no effect (`is_acting_staff`, which `User.has_perm` calls).
- Only superusers may change, delete or disable protected users: staff, superusers, and users with any permission.
- Only superusers may end the sessions of superusers. There is one exception: switching an app off ends all sessions of
  the app.
- Only the apps of clients can be switched off and on, and get a new key: not those of the service's own pages.
- Nobody changes, disables or deletes the canary's account, nor its app. Their sessions may be ended.
- Only superusers let an app ask about sessions with its key. From then on only they may rotate that key, and switch the
  app on again.
- Only superusers may stop and continue the bulk runs of superusers and of operators' commands.
- With `STAFF_SECOND_FACTOR` staff can use the admin only with a second factor (`must_have_factor`).
- Only superusers may change `is_staff`, `is_superuser`, groups and permissions. Nobody may change their own, nor their
  own role or `is_active`. So only superusers invite staff.
- A list can be exported by staff who may see it and have `export_lists`.

This module imports no models, so that the settings can import it.
"""

from enum import Enum, auto
from typing import TYPE_CHECKING, TypeAlias

from django.conf import settings
from django.db.models import Q

from users.canary import CANARY_ID
from users.errors import NotYours

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from users.models import App, User

    Actor: TypeAlias = User | AnonymousUser | None


class Act(Enum):
    """An act of a user on another user or on the installation."""

    SEE_USER = auto()
    ADD_USER = auto()
    CHANGE_USER = auto()
    SET_ROLE = auto()
    CHANGE_POWERS = auto()
    DISABLE_USER = auto()  # also to enable
    DELETE_USER = auto()
    SEND_RESET = auto()
    DISABLE_FACTOR = auto()  # the second factor, for example after the phone was lost
    SEE_SESSIONS = auto()
    END_SESSIONS = auto()  # of one user
    END_MANY = auto()
    EXPLAIN = auto()
    SEE_RUNS = auto()
    CONTROL_RUN = auto()  # stop it, and continue it
    SEE_REFUSED_LOGINS = auto()
    SEE_RECORD = auto()
    SEE_APPS = auto()
    ADD_APP = auto()
    CHANGE_APP = auto()
    SWITCH_APP = auto()  # off and on
    CUT_OFF_APP = auto()  # end all of its sessions
    ROTATE_KEY = auto()  # also to end the previous key
    GRANT_ACCESS = auto()  # let an app ask about sessions with its key
    SEE_DEVICES = auto()
    SEE_DEVICE_TOKENS = auto()
    SEE_GROUPS = auto()
    SEE_STAFF = auto()  # the list of staff
    INVITE = auto()  # somebody to become staff
    EXPORT = auto()  # a whole list of the admin, as a file


# The permissions that an act needs: all of them.
_PERMISSIONS: dict[Act, tuple[str, ...]] = {
    Act.SEE_USER: ("users.view_user",),
    Act.ADD_USER: ("users.add_user",),
    Act.CHANGE_USER: ("users.change_user",),
    Act.SET_ROLE: ("users.change_user",),
    Act.CHANGE_POWERS: ("users.change_user",),
    Act.DISABLE_USER: ("users.change_user", "user_sessions.end_session"),  # disabling also ends the user's sessions
    Act.DELETE_USER: ("users.delete_user",),
    Act.SEND_RESET: ("users.change_user",),
    Act.DISABLE_FACTOR: ("users.change_user",),
    Act.SEE_SESSIONS: ("user_sessions.view_session",),
    Act.END_SESSIONS: ("user_sessions.end_session",),
    Act.END_MANY: ("user_sessions.end_all_sessions",),
    Act.EXPLAIN: ("user_sessions.view_session",),
    Act.SEE_RUNS: ("user_sessions.view_bulkrun",),
    Act.CONTROL_RUN: ("user_sessions.view_bulkrun", "user_sessions.end_all_sessions"),
    Act.SEE_REFUSED_LOGINS: ("users.view_refusedlogin",),
    Act.SEE_RECORD: ("users.view_securityevent",),
    Act.SEE_APPS: ("users.view_app",),
    Act.ADD_APP: ("users.add_app",),
    Act.CHANGE_APP: ("users.change_app",),
    Act.SWITCH_APP: ("users.change_app", "user_sessions.end_all_sessions"),  # switching off also ends its sessions
    Act.CUT_OFF_APP: ("users.view_app", "user_sessions.end_all_sessions"),
    Act.ROTATE_KEY: ("users.change_app",),
    Act.GRANT_ACCESS: ("users.change_app",),
    Act.SEE_DEVICES: ("users.view_device",),
    Act.SEE_DEVICE_TOKENS: ("users.view_devicetoken",),
    Act.SEE_GROUPS: ("auth.view_group",),
    Act.SEE_STAFF: ("users.view_user", "user_sessions.view_session"),
    Act.INVITE: ("users.add_user", "users.change_user"),
    Act.EXPORT: ("users.export_lists",),
}
# Acts on one's own account that need no permission.
_OF_ONESELF = {Act.SEE_USER, Act.CHANGE_USER, Act.DELETE_USER, Act.SEE_SESSIONS, Act.END_SESSIONS, Act.SEE_RECORD}
_NEVER_OF_ONESELF = {Act.SET_ROLE, Act.CHANGE_POWERS, Act.DISABLE_USER, Act.SEND_RESET, Act.DISABLE_FACTOR}
_OF_CLIENT_APPS_ONLY = {Act.SWITCH_APP, Act.ROTATE_KEY, Act.GRANT_ACCESS}
_OF_OTHERS_THAN_THE_CANARY = {*_OF_CLIENT_APPS_ONLY, Act.CHANGE_APP}
_BY_SUPERUSERS_ONLY = {Act.CHANGE_POWERS, Act.INVITE, Act.GRANT_ACCESS}
_CHANGES = {
    Act.CHANGE_USER,
    Act.SET_ROLE,
    Act.CHANGE_POWERS,
    Act.DISABLE_USER,
    Act.DELETE_USER,
    Act.SEND_RESET,
    Act.DISABLE_FACTOR,
}
# Fields of a user that need an act other than CHANGE_USER.
_ACT_OF_FIELD = {
    "is_staff": Act.CHANGE_POWERS,
    "is_superuser": Act.CHANGE_POWERS,
    "groups": Act.CHANGE_POWERS,
    "user_permissions": Act.CHANGE_POWERS,
    "role_id": Act.SET_ROLE,
    "is_active": Act.DISABLE_USER,
}

# Condition on sessions: not those of superusers. App-level sessions have no user.
NOT_OF_SUPERUSERS = Q(user=None) | Q(user__is_superuser=False)
# The same condition on users.
NOT_SUPERUSERS = Q(is_superuser=False)


def may(actor: "Actor", act: Act, target: "User | None" = None) -> bool:
    """Return whether ``actor`` may do ``act`` to ``target``. Without a target: to anybody at all."""
    if actor is not None and target is not None and actor.pk == target.pk and act in _OF_ONESELF:
        return target.is_active and target.deleted_at is None
    return may_as_staff(actor, act, target)


def may_as_staff(actor: "Actor", act: Act, target: "User | None" = None) -> bool:
    """Like `may`, but without the acts on one's own account. The admin uses this function."""
    if actor is None or not actor.has_perms(_PERMISSIONS[act]):
        return False
    if act in _BY_SUPERUSERS_ONLY and not actor.is_superuser:
        return False
    return target is None or _may_to(actor, act, target)


def require(actor: "Actor", act: Act, target: "User | None" = None) -> None:
    """Check that ``actor`` may do ``act`` to ``target``. Raises: NotYours."""
    if not may(actor, act, target):
        raise NotYours


def is_acting_staff(user: "User") -> bool:
    """Return whether ``user`` is staff, active and not deleted. Otherwise their permissions have no effect."""
    return user.is_staff and user.is_active and user.deleted_at is None


def must_have_factor(user: "User") -> bool:
    """Return whether ``user`` is staff of an installation in which staff need a second factor."""
    return bool(settings.STAFF_SECOND_FACTOR) and user.is_staff


def is_protected(user: "User") -> bool:
    """Return whether only superusers may change, delete and disable ``user``."""
    return (
        user.is_staff
        or user.is_superuser
        or user.user_permissions.exists()
        or user.groups.filter(permissions__isnull=False).exists()
    )


def may_end_sessions(actor: "Actor", *, of_many: bool) -> bool:
    """Return whether ``actor`` may end sessions of another user, or of many users at once."""
    return may(actor, Act.END_MANY if of_many else Act.END_SESSIONS)


def may_with_app(actor: "Actor", act: Act, app: "App") -> bool:
    """Return whether ``actor`` may do ``act`` to ``app``."""
    if not may_as_staff(actor, act) or (act in _OF_CLIENT_APPS_ONLY and not app.is_client):
        return False
    if app.pk == CANARY_ID and act in _OF_OTHERS_THAN_THE_CANARY:
        return False
    gives_access = act is Act.ROTATE_KEY or (act is Act.SWITCH_APP and not app.is_active)
    return not (gives_access and app.is_service) or may_as_staff(actor, Act.GRANT_ACCESS)


def may_control_run(actor: "User", ordered_by: "User | None") -> bool:
    """Return whether ``actor`` may stop and continue a bulk run. ``ordered_by`` None: an operator's command."""
    if not may_as_staff(actor, Act.CONTROL_RUN):
        return False
    return actor.is_superuser or (ordered_by is not None and not ordered_by.is_superuser)


def may_continue_run(actor: "User", ordered_by: "User | None", *, ends_superusers: bool) -> bool:
    """Return whether ``actor`` may continue a bulk run. ``ends_superusers``: it ends live sessions of superusers.

    A run of somebody who was a superuser then, and is not one now, may do so.
    """
    return may_control_run(actor, ordered_by) and (actor.is_superuser or not ends_superusers)


def closed_fields(actor: "Actor", target: "User") -> list[str]:
    """Return the fields of ``target`` that ``actor`` may not change, even if they may change other fields."""
    return [field for field, act in _ACT_OF_FIELD.items() if not may_as_staff(actor, act, target)]


def spares_superusers(actor: "User") -> bool:
    """Return whether ``actor`` may not end the sessions of superusers."""
    return not actor.is_superuser


def endable_by(actor: "User") -> Q:
    """Return the condition on sessions that ``actor``, who has END_SESSIONS or END_MANY, may end."""
    return NOT_OF_SUPERUSERS if spares_superusers(actor) else Q()


def _may_to(actor: "User | AnonymousUser", act: Act, target: "User") -> bool:
    if act in _NEVER_OF_ONESELF and actor.pk == target.pk:
        return False
    if act in _CHANGES and (target.deleted_at is not None or target.pk == CANARY_ID):
        return False
    if actor.is_superuser:
        return True
    if act is Act.END_SESSIONS:
        return not target.is_superuser
    return act not in _CHANGES or not is_protected(target)
