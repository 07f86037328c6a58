"""Make room for a new session, if its app limits the sessions of each user."""

from uuid import UUID

from django.db.models import QuerySet

from sessions.logout import end_sessions
from sessions.models import EndReason, Session
from sessions.policy import sessions_per_user
from sessions.sql.locks import lock_addresses_of, lock_sessions
from sessions.timeouts import end_timed_out
from users.models import App, DeviceToken, User
from users.origin import Origin


def live_in_app(user: User, app: App) -> QuerySet[Session]:
    """Return the user's open sessions in that app."""
    return Session.objects.filter(user=user, app=app, ended_at=None)


def make_room(session: Session, origin: Origin) -> set[UUID]:
    """End the user's oldest sessions, so that ``session``, which is not stored yet, stays within the app's limit.

    The caller has locked the user's sessions in the app and their device tokens. No other log-in of the user runs
    at the same time: each one locks the user's row first (`note_or_refuse`).

    Returns: the ids of the sessions that it ended because of the limit.
    """
    most = sessions_per_user(session.app)
    if not most or session.user is None:
        return set()
    live = live_in_app(session.user, session.app)
    end_timed_out(live)
    too_many = list(live.order_by("-created_at", "-pk").values_list("pk", flat=True)[most - 1 :])
    over = Session.objects.filter(pk__in=too_many)
    return end_sessions(over, actor=None, reason=EndReason.OVER_LIMIT, origin=origin)


def lock_and_make_room(session: Session, user: User, device_token: str | None, origin: Origin) -> None:
    """Lock what a log-in within a limit needs, in the one order, and end the user's oldest sessions."""
    User.objects.select_for_update(no_key=True).get(pk=user.pk)
    locked = lock_sessions(live_in_app(user, session.app))
    lock_addresses_of(locked, digest=DeviceToken.digest_of(device_token) if device_token else None)
    make_room(session, origin)
