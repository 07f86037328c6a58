"""How a session begins: an app on a device, then a user on it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from sessions.errors import SessionEnded
from sessions.logout import end_sessions
from sessions.models import USER_AGENT_LENGTH, EndReason, Session
from sessions.origin import Origin
from sessions.tokens import AppAccessToken, RefreshToken, SessionToken, UserAccessToken
from users.devices import attach_device_token
from users.errors import BadCredentials
from users.models import App, User
from users.registration import register_user

KNOWN_IPS = 10


@dataclass(frozen=True)
class Grant:
    """A session just opened or refreshed, with the tokens to hand out."""

    session: Session
    access_token: str
    access_expires_at: datetime
    refresh_token: str | None = None


@transaction.atomic(savepoint=False)
def open_app_session(app: App, *, origin: Origin, **on_device: Any) -> Grant:
    """Open an app-level session: an app on a device (`device_id` and what goes with it), no user."""
    session = _session(app, origin, lifetime=settings.APP_SESSION_LIFETIME, **on_device)
    session.save(force_insert=True)
    return _grant(session, AppAccessToken.for_session(session, expires_at=session.expires_at))


@transaction.atomic
def log_in_with_refresh(user: User, *, app: App, device_token: str | None, origin: Origin) -> Grant:
    """Log ``user`` in, with a short-lived access token and a refresh token (RFC 6749 §1.5).

    ``device_token`` becomes this user's, whoever had it before.

    Raises: BadCredentials, when the password that ``user`` was loaded with has changed since.
    """
    _stamp_login(user, origin)
    held = attach_device_token(device_token, user=user) if device_token else None
    session = _session(app, origin, lifetime=settings.SESSION_LIFETIME, user=user, device_token=held)
    refresh = RefreshToken.for_session(session, expires_at=session.expires_at)
    session.refresh_jti = refresh["jti"]
    session.save(force_insert=True)
    refresh.record(session)
    access = UserAccessToken.for_session(session, expires_at=timezone.now() + settings.ACCESS_TOKEN_LIFETIME)
    return _grant(session, access, str(refresh))


@transaction.atomic
def log_in_on_device(user: User, *, current: Session, origin: Origin, **changed: Any) -> Grant:
    """Log ``user`` in on the device of ``current``, the session that the device calls with.

    For clients that can't refresh: the access token lasts as long as the session. The push
    address that ``current`` brought becomes this user's; one that somebody else registered for
    the same device does not. A device shows one user at a time: the session of whoever was logged
    in there ends; the app-level ones stay, for clients keep their tokens. ``changed`` are fields of
    the user to store with the login, such as where they are.

    Raises: BadCredentials, when the password that ``user`` was loaded with has changed since;
        SessionEnded, when ``current`` has ended since it was looked at.
    """
    _stamp_login(user, origin, **changed)
    app, on_device = current.app, sessions_on_device(current)
    current = lock_sessions(on_device, current)
    # Before the address moves, or the one who was logged in could go on moving it.
    end_sessions(on_device.exclude(user=None), actor=user, reason=EndReason.SUPERSEDED, origin=origin)
    if current.device_token is not None:
        attach_device_token(current.device_token.token, user=user)
    session = _session(
        app,
        origin,
        lifetime=settings.SESSION_LIFETIME,
        user=user,
        **same_device(current),
    )
    session.save(force_insert=True)
    return _grant(session, UserAccessToken.for_session(session, expires_at=session.expires_at))


@transaction.atomic
def sign_up_on_device(*, current: Session, origin: Origin, **fields: Any) -> tuple[User, Grant]:
    """Register a user and log them in on the device of ``current``: both or neither.

    Raises: IdentityTaken, RegistrationClosed, SessionEnded.
    """
    user = register_user(**fields)
    return user, log_in_on_device(user, current=current, origin=origin)


def sessions_on_device(session: Session) -> QuerySet[Session]:
    """The open sessions that share a push address: those opened from one registration of the device."""
    root = session.opened_from_id or session.pk
    return Session.objects.filter(Q(pk=root) | Q(opened_from_id=root), ended_at=None)


def lock_sessions(sessions: QuerySet[Session], current: Session) -> Session:
    """Lock ``sessions`` until the transaction ends; ``current`` as it is now.

    Raises: SessionEnded, when ``current`` has ended since it was looked at.
    """
    locked = {row.pk: row for row in sessions.order_by("pk").select_for_update(no_key=True)}
    if current.pk not in locked:
        raise SessionEnded
    return locked[current.pk]


def same_device(session: Session) -> dict[str, Any]:
    """What a session takes over from ``session``, which it is opened from on the same device."""
    return {
        "device_id": session.device_id,
        "device_token_id": session.device_token_id,
        "opened_from_id": session.opened_from_id or session.pk,
    }


def _stamp_login(user: User, origin: Origin, **changed: Any) -> None:
    """Note the login, if the user is still the one whose password was checked.

    The row lock puts a login and a password change (or a disabling) in a row: the one that
    comes second sees the other's work, so that no session slips through between them.
    """
    now = timezone.now()
    ips = user.ip_addresses
    if origin.ip:
        ips = [origin.ip, *(ip for ip in ips if ip != origin.ip)][:KNOWN_IPS]
    unchanged = User.objects.filter(pk=user.pk, password=user.password, is_active=True, deleted_at=None)
    changed |= {"last_login": now, "ip_addresses": ips}
    if not unchanged.update(**changed):
        raise BadCredentials
    for name, value in changed.items():
        setattr(user, name, value)


def _session(app: App, origin: Origin, *, lifetime: timedelta, **fields: Any) -> Session:
    now = timezone.now()
    return Session(
        app=app,
        ip=origin.ip,
        user_agent=origin.user_agent[:USER_AGENT_LENGTH],
        created_at=now,
        last_seen_at=now,
        expires_at=now + lifetime,
        **fields,
    )


def _grant(session: Session, access: SessionToken, refresh_token: str | None = None) -> Grant:
    return Grant(session, str(access), access.expires_at, refresh_token)
