"""How a session begins: an app on a device, then a user on it."""

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from ua_parser import parse_os

from sessions.accounts import create_account
from sessions.background import after_commit
from sessions.errors import SessionEnded
from sessions.liveness import live_sessions
from sessions.logout import end_sessions
from sessions.mail import mail_new_device
from sessions.models import PLATFORM_LENGTH, USER_AGENT_LENGTH, EndReason, Session
from sessions.origin import Origin
from sessions.policy import session_lifetime, sessions_per_user
from sessions.sql.locks import lock_addresses_of, lock_sessions
from sessions.sql.opening import open_session
from sessions.timeouts import end_timed_out
from sessions.tokens.grant import Grant
from sessions.tokens.jwt import AppAccessToken, RefreshToken, UserAccessToken
from users.clock import database_now
from users.device_tokens import attach_device_token, give_device_token
from users.directory import admit_user
from users.errors import BadCredentials
from users.models import App, DeviceToken, User
from users.transactions import in_transaction, tried_again

# Addresses and user agents of a user that are kept.
MOST_KNOWN = 10


# savepoint=False: inside a caller's transaction it is a part of that one, and costs no round trips.
@tried_again
@transaction.atomic(savepoint=False)
def open_app_session(app: App, *, origin: Origin, **on_device: Any) -> Grant:
    """Open an app-level session: an app on a device (`device_id` and what goes with it), no user."""
    session = _session(app, origin, **on_device)
    opened_at = open_session(session, lifetime=settings.APP_SESSION_LIFETIME)
    return Grant.of(AppAccessToken.for_session(session, issued_at=opened_at, expires_at=session.expires_at))


@in_transaction
def log_in_to_admin(user: User, *, app: App, origin: Origin, instead_of: Session | None = None) -> Session:
    """Log ``user`` in to the admin, whose app is ``app``; the session has no token.

    ``instead_of`` is the session that the same browser has had so far. It ends.

    Raises: BadCredentials, when the password that ``user`` was loaded with has changed since.
    """
    _stamp_login(user, origin)
    session = _session(app, origin, user=user)
    replaced = Session.objects.filter(pk=instead_of.pk, ended_at=None) if instead_of else Session.objects.none()
    if instead_of is not None or sessions_per_user(app):
        lock_sessions(replaced | _live_in_app(user, app))
    end_sessions(replaced, actor=user, reason=EndReason.SUPERSEDED, origin=origin)
    _make_room(session, origin)
    _open(session)
    return session


@in_transaction
def log_in_with_refresh(user: User, *, app: App, device_token: str | None, origin: Origin) -> Grant:
    """Log ``user`` in, with a short-lived access token and a refresh token (RFC 6749 §1.5).

    ``device_token`` becomes this user's, whoever had it before.

    Raises: BadCredentials, when the password that ``user`` was loaded with has changed since.
    """
    _stamp_login(user, origin)
    session = _session(app, origin, user=user, refresh_jti=uuid4().hex)
    if sessions_per_user(app):
        locked = lock_sessions(_live_in_app(user, app))
        lock_addresses_of(locked, digest=DeviceToken.digest_of(device_token) if device_token else None)
        _make_room(session, origin)
    if device_token:
        session.device_token = attach_device_token(device_token, user=user, held_by=session.pk)
    opened_at = _open(session)
    refresh = RefreshToken.for_session(session, issued_at=opened_at, expires_at=session.expires_at)
    refresh["jti"] = session.refresh_jti
    expires_at = opened_at + settings.ACCESS_TOKEN_LIFETIME
    return Grant.of(UserAccessToken.for_session(session, issued_at=opened_at, expires_at=expires_at), refresh)


@in_transaction
def log_in_on_device(user: User, *, current: Session, origin: Origin, **changed: Any) -> Grant:
    """Log ``user`` in on the device of ``current``, the session that the device calls with.

    For clients that can't refresh: the access token lasts as long as the session. ``changed`` are fields of
    the user to store with the login, such as where they are.

    - If ``current`` is the user's own, it goes on: the .NET client keeps its first token through a second
      login. The request has shown that the client uses it. The user's other sessions that were
      opened from the same registration or logout end.
    - If ``current`` is another user's, it ends, and its push address becomes this user's.
    - If ``current`` is app-level, its push address becomes this user's, unless somebody else who is logged in
      on the device holds it. Their session goes on: an app-level token says nothing about who is logged in now.

    Raises: BadCredentials, when the password that ``user`` was loaded with has changed since;
        SessionEnded, when ``current`` has ended since it was looked at.
    """
    _stamp_login(user, origin, **changed)
    app, on_device = current.app, sessions_on_device(current)
    locked = lock_sessions(on_device | _live_in_app(user, app))
    current = still_open(current, locked)
    goes_on = current.user_id == user.pk
    session = _session(app, origin, user=user, **_same_device(current))
    if goes_on:
        session.pk = current.pk
    earlier = Q(user=user, opened_from=session.opened_from_id) & ~Q(pk=current.pk)
    replaced = on_device.filter(earlier | Q(pk=current.pk, user__isnull=False) & ~Q(user=user))
    lock_addresses_of(locked)
    # Before the address moves, so that a session that ends does not take it away again.
    end_sessions(replaced, actor=user, reason=EndReason.SUPERSEDED, origin=origin)
    if not goes_on:
        _make_room(session, origin)
    session.device_token_id = _free_address(current, user)
    if session.device_token_id is not None:
        give_device_token(session.device_token_id, user=user, held_by=session.pk)
    if goes_on:
        opened_at = _renew(session)
    else:
        if is_in_use(current.device_id):
            session.opened_from = None  # what it does with its address is its own business
        opened_at = _open(session)
    return Grant.of(UserAccessToken.for_session(session, issued_at=opened_at, expires_at=session.expires_at))


def sign_up_on_device(*, current: Session, origin: Origin, **fields: Any) -> tuple[User, Grant]:
    """Register a user and log them in on the device of ``current``: both or neither.

    Raises: IdentityTaken, PasswordRefused, RegistrationClosed, TooManyAttempts, SessionEnded.
    """
    admit_user(ip=origin.ip, **fields)

    @in_transaction
    def sign_up() -> tuple[User, Grant]:
        user = create_account(ip=origin.ip, **fields)
        return user, log_in_on_device(user, current=current, origin=origin)

    return sign_up()


def sessions_on_device(session: Session) -> QuerySet[Session]:
    """The open sessions on the device of ``session``, of either level."""
    return Session.objects.filter(device=session.device_id, ended_at=None)


def is_in_use(device_id: str | None) -> bool:
    """Whether a user is logged in on that device now."""
    of_users = Session.objects.filter(device=device_id, user__isnull=False)
    return live_sessions(of_users, now=database_now()).exists()


def still_open(current: Session, locked: dict[UUID, Session]) -> Session:
    """``current`` as it is in ``locked``, the open sessions that its request has locked.

    Raises: SessionEnded, when it is not there: it has ended since it was looked at.
    """
    if current.pk not in locked:
        raise SessionEnded
    return locked[current.pk]


def _same_device(session: Session) -> dict[str, Any]:
    """What a user's session takes over from ``session``, which it is opened from on the same device."""
    return {
        "device_id": session.device_id,
        "platform": session.platform,
        "opened_from_id": session.pk if session.is_app_level else session.opened_from_id,
    }


def _free_address(current: Session, user: User) -> int | None:
    """The id of the push address of ``current``, unless another user's live session on the device holds it."""
    of_others = sessions_on_device(current).exclude(user=None).exclude(user=user)
    holders = of_others.filter(device_token=current.device_token_id)
    is_taken = live_sessions(holders, now=database_now()).exists()
    return None if is_taken else current.device_token_id


def _renew(session: Session) -> datetime:
    """Have the session of the same id go on as ``session``, for a full lifetime from now on. Returns: now."""
    now = session.last_seen_at = session.authenticated_at = database_now()
    session.expires_at = now + session_lifetime(session.app)
    renewed = ("ip", "user_agent", "device_token_id", "last_seen_at", "expires_at", "authenticated_at")
    Session.objects.filter(pk=session.pk).update(**{name: getattr(session, name) for name in renewed})
    return now


def _stamp_login(user: User, origin: Origin, **changed: Any) -> None:
    """Note the login, if the user is still the one whose password was checked.

    The row lock puts a login and a password change (or a disabling) in a row: the one that
    comes second sees the other's work, so that no session slips through between them.
    """
    now = database_now()
    user_agent = origin.user_agent[:USER_AGENT_LENGTH]
    changed |= {
        "last_login": now,
        "ip_addresses": _newest_first(origin.ip, user.ip_addresses),
        "user_agents": _newest_first(user_agent, user.user_agents),
    }
    unchanged = User.objects.filter(pk=user.pk, password=user.password, is_active=True, deleted_at=None)
    if not unchanged.update(**changed):
        raise BadCredentials
    for name, value in changed.items():
        setattr(user, name, value)


def _newest_first(value: str | None, known: list[str]) -> list[str]:
    """The last few distinct values; without one, nothing changes."""
    return [value, *(other for other in known if other != value)][:MOST_KNOWN] if value else known


def _live_in_app(user: User, app: App) -> QuerySet[Session]:
    return Session.objects.filter(user=user, app=app, ended_at=None)


def _make_room(session: Session, origin: Origin) -> None:
    """End the oldest sessions of the user if ``session``, which is not stored yet, would be over the app's limit.

    The user's sessions in the app are locked, and their push addresses. Log-ins of one user come one by one, for
    each has locked the user's row (`_stamp_login`).
    """
    most = sessions_per_user(session.app)
    if not most or session.user is None:
        return
    live = _live_in_app(session.user, session.app)
    end_timed_out(live)
    too_many = list(live.order_by("-created_at", "-pk").values_list("pk", flat=True)[most - 1 :])
    over = Session.objects.filter(pk__in=too_many)
    end_sessions(over, actor=None, reason=EndReason.OVER_LIMIT, origin=origin)


def _open(session: Session) -> datetime:
    """Store a user's new session; if its device is new to them, they are told.

    Returns: the database's time when it was opened.
    """
    tell = settings.NEW_DEVICE_MAIL and is_new_device(session)
    opened_at = open_session(session, lifetime=session_lifetime(session.app))
    if tell:
        after_commit(mail_new_device, session)
    return opened_at


def is_new_device(session: Session) -> bool:
    """Whether its user was logged in before, but never from there.

    As far as can be told: it is not a device or a push address of theirs, nor the same program at
    the same address.
    """
    there = Q(user_agent=session.user_agent, ip=session.ip)
    if session.device_id is not None:
        there |= Q(device=session.device_id)
    if session.device_token_id is not None:
        there |= Q(device_token=session.device_token_id)
    before = Session.objects.filter(user=session.user_id).exclude(pk=session.pk)
    return before.exists() and not before.filter(there).exists()


def _session(app: App, origin: Origin, *, platform: str = "", **fields: Any) -> Session:
    """A session of ``app`` that is not stored yet: `open_session` sets its times."""
    user_agent = origin.user_agent[:USER_AGENT_LENGTH]
    return Session(
        app=app,
        ip=origin.ip,
        user_agent=user_agent,
        platform=platform or _platform_of(user_agent),
        **fields,
    )


def _platform_of(user_agent: str) -> str:
    system = parse_os(user_agent)
    return system.family[:PLATFORM_LENGTH] if system else ""
