"""List and end a user's own sessions, one or several. Staff with permission can do it for another user."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from django.db.models import QuerySet

from sessions.errors import SessionEnded, SessionNotFound
from sessions.liveness import live_sessions
from sessions.logout import end_sessions, end_sessions_as_staff
from sessions.models import EndReason, Session
from sessions.reauthentication import require_recent_password
from sessions.timeouts import end_timed_out
from users.clock import database_now
from users.directory import get_user_to_change, get_user_to_read
from users.models import User
from users.origin import Origin
from users.permissions import Act
from users.transactions import in_transaction


def live_sessions_of(user_id: str, *, actor: User) -> list[Session]:
    """Return the live sessions of that user in all apps, newest first, with app, user, device and device token.

    Raises: NotYours, UserNotFound (only to staff who may see sessions).
    """
    user = get_user_to_read(user_id, actor=actor, act=Act.SEE_SESSIONS)
    sessions = Session.objects.filter(user=user, ended_at=None).select_related("app", "user", "device", "device_token")
    now = database_now()
    return [session for session in sessions.order_by("-created_at", "-pk") if session.refusal(now) is None]


@dataclass(frozen=True)
class OwnSessions:
    """The live sessions of a user, as their own page shows them: the current one, the latest used others, and the rest.

    Args: more: how many others are live and not in ``others``.
    """

    current: Session
    others: list[Session]
    more: int
    now: datetime

    @property
    def count_of_others(self) -> int:
        return len(self.others) + self.more


def own_sessions(current: Session, *, at_most: int) -> OwnSessions:
    """Return the live sessions of the user of ``current``: that one, and ``at_most`` others, the latest used first."""
    live = live_sessions(Session.objects.filter(user=current.user_id), now=current.checked_at)
    others = live.exclude(pk=current.pk)
    newest = others.select_related("app", "user", "device").order_by("-last_seen_at", "-pk")
    shown = list(newest[: at_most + 1])
    more = others.count() - at_most if len(shown) > at_most else 0
    this = live.select_related("app", "user", "device").filter(pk=current.pk).first() or current
    return OwnSessions(this, shown[:at_most], more, current.checked_at)


class Scope(StrEnum):
    """The sessions of a user that a logout ends, relative to the session of the caller."""

    THIS = "this"
    OTHERS = "others"
    ALL = "all"


def log_out_scope(
    user_id: str, scope: Scope, *, current: Session, actor: User, password: str | None = None, origin: Origin
) -> int:
    """End the sessions of that user in ``scope``, in all apps. Returns: how many this call ended.

    For another user, `others` means all sessions and `this` none.

    Args:
        current: the session of ``actor``.
        password: the password of ``actor``, to end sessions other than ``current``.

    Raises: NotYours, UserNotFound, ReauthenticationRequired, TooManyAttempts. SessionEnded, if the caller's own
        session is in the scope and another request has ended it first.
    """
    user = get_user_to_change(user_id, actor=actor, act=Act.END_SESSIONS)
    if scope is not Scope.THIS:
        require_recent_password(current, password=password, origin=origin)
    own = user.pk == current.user_id
    sessions = _open_sessions_of(user)
    if scope is Scope.THIS:
        sessions = sessions.filter(pk=current.pk)
    elif scope is Scope.OTHERS:
        sessions = sessions.exclude(pk=current.pk)

    @in_transaction
    def end() -> int:
        if not own:
            return len(end_sessions_as_staff(sessions, of=user, current=current, actor=actor, origin=origin))
        ended = end_sessions(sessions, actor=actor, reason=EndReason.LOGOUT, origin=origin)
        if scope is not Scope.OTHERS and current.pk not in ended:
            raise SessionEnded
        return len(ended)

    return end()


def log_out_session(
    user_id: str, session_id: str, *, current: Session, actor: User, password: str | None = None, origin: Origin
) -> None:
    """End one session of that user.

    Args:
        current: the session of ``actor``.
        password: the password of ``actor``, to end a session other than ``current``.

    Raises: NotYours, UserNotFound, SessionNotFound, ReauthenticationRequired, TooManyAttempts.
    """
    user = get_user_to_change(user_id, actor=actor, act=Act.END_SESSIONS)
    try:
        key = UUID(session_id)
    except ValueError:
        raise SessionNotFound from None
    if key != current.pk:
        require_recent_password(current, password=password, origin=origin)
    meant = _open_sessions_of(user).filter(pk=key)
    if user.pk == actor.pk:
        ended = end_sessions(meant, actor=actor, reason=EndReason.LOGOUT, origin=origin)
    else:
        ended = end_sessions_as_staff(meant, of=user, current=current, actor=actor, origin=origin)
    if not ended:
        raise SessionNotFound


def _open_sessions_of(user: User) -> QuerySet[Session]:
    # First end the sessions that have timed out, so that they are not counted as logged out. This has its own
    # transaction: two transactions that each lock two sets of sessions could wait for each other.
    sessions = Session.objects.filter(user=user)
    end_timed_out(sessions)
    return sessions
