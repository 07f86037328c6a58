"""How a session begins: an app registers on a device, a user logs in."""

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
from sessions.sql.apps import find_app
from sessions.sql.live_session import lock_for_login
from sessions.sql.locks import lock_addresses_of, lock_sessions
from sessions.sql.login import give_address, note_login, renew
from sessions.sql.opening import open_session, open_session_on_address, open_session_with_token
from sessions.timeouts import end_timed_out
from sessions.tokens.grant import Grant
from sessions.tokens.jwt import AppAccessToken, RefreshToken, UserAccessToken
from users import clients
from users.clock import database_now
from users.directory import admit_user
from users.errors import BadCredentials
from users.models import App, DeviceToken, User
from users.transactions import in_transaction, tried_again


# savepoint=False: inside a caller's transaction it is a part of that one and costs no round trips.
@tried_again
@transaction.atomic(savepoint=False)
def open_app_session(app: App, *, origin: Origin, **on_device: Any) -> Grant:
    """Open an app-level session: an app on a device, without a user. ``on_device``: fields of the session."""
    session = _session(app, origin, **on_device)
    opened_at = open_session(session, lifetime=settings.APP_SESSION_LIFETIME)
    return Grant.of(AppAccessToken.for_session(session, issued_at=opened_at, expires_at=session.expires_at))


@in_transaction
def log_in_to_admin(user: User, *, app: App, origin: Origin, instead_of: Session | None = None) -> Session:
    """Log ``user`` in to the admin, whose app is ``app``. The session has no token.

    ``instead_of`` is the session that the same browser had before. It ends.

    Raises: BadCredentials, when the password that ``user`` was loaded with has changed since.
    """
    _note(user, origin)
    session = _session(app, origin, user=user)
    replaced = Session.objects.filter(pk=instead_of.pk, ended_at=None) if instead_of else Session.objects.none()
    if instead_of is not None or sessions_per_user(app):
        lock_sessions(replaced | _live_in_app(user, app))
    end_sessions(replaced, actor=user, reason=EndReason.SUPERSEDED, origin=origin)
    _make_room(session, origin)
    _open(session)
    return session


def get_zap_app() -> App:
    """The app that ZAP's clients belong to, as `users.clients.get_zap_app`, by a prepared statement.

    Raises: AppInactive.
    """
    app = find_app(settings.ZAP_APP)
    # The other one makes it, or says why it can't be used.
    return app if app is not None and app.is_active and not app.is_admin else clients.get_zap_app()


@in_transaction
def log_in_with_refresh(user: User, *, app: App, device_token: str | None, origin: Origin) -> Grant:
    """Log ``user`` in, with a short-lived access token and a refresh token (RFC 6749 §1.5).

    The push address ``device_token`` becomes this user's, whoever had it before.

    Raises: BadCredentials, when the password that ``user`` was loaded with has changed since.
    """
    _note(user, origin)
    session = _session(app, origin, user=user, refresh_jti=uuid4().hex)
    if sessions_per_user(app):
        locked = lock_sessions(_live_in_app(user, app))
        lock_addresses_of(locked, digest=DeviceToken.digest_of(device_token) if device_token else None)
        _make_room(session, origin)
    opened_at = _open(session, token=device_token)
    refresh = RefreshToken.for_session(session, issued_at=opened_at, expires_at=session.expires_at)
    refresh["jti"] = session.refresh_jti
    expires_at = opened_at + settings.ACCESS_TOKEN_LIFETIME
    return Grant.of(UserAccessToken.for_session(session, issued_at=opened_at, expires_at=expires_at), refresh)


@in_transaction
def log_in_on_device(
    user: User,
    *,
    current: Session,
    origin: Origin,
    latitude: float | None = None,
    longitude: float | None = None,
) -> Grant:
    """Log ``user`` in on the device of ``current``, the session that the device calls with.

    For clients that can't refresh: the access token lasts as long as the session. Where the user is, if that is
    given, is stored with the log-in.

    - If ``current`` is the user's own, it goes on: the .NET client keeps its first token through a second
      log-in. The request has shown that the client uses it. The user's other sessions that were
      opened from the same registration or logout end.
    - If ``current`` is another user's, it ends, and its push address becomes this user's.
    - If ``current`` is app-level, its push address becomes this user's, unless another user who is logged in
      on the device holds it. Their session goes on: an app-level token does not say who is logged in now.

    Raises: BadCredentials, when the password that ``user`` was loaded with has changed since;
        SessionEnded, when ``current`` has ended since it was looked at.
    """
    _note(user, origin, latitude=latitude, longitude=longitude)
    app, has_limit = current.app, bool(sessions_per_user(current.app))
    locked = lock_for_login(device_id=current.device_id, user_id=user.pk if has_limit else None, app_id=app.pk)
    current = still_open(current, locked)
    goes_on = current.user_id == user.pk
    session = _session(app, origin, user=user, **_same_device(current))
    if goes_on:
        session.pk = current.pk
    on_device = [each for each in locked.values() if each.device_id == current.device_id]
    replaced = {each.pk for each in on_device if _is_replaced(each, session=session, current=current)}
    if replaced or has_limit:
        lock_addresses_of(locked)
    if replaced:
        # Before the address moves, so that a session that ends does not take it away again.
        ending = Session.objects.filter(pk__in=replaced)
        end_sessions(ending, actor=user, reason=EndReason.SUPERSEDED, origin=origin)
    over = set() if goes_on else _make_room(session, origin)
    in_use = [
        each
        for each in on_device
        if each.user_id and each.pk not in replaced | over and each.refusal(each.checked_at) is None
    ]
    session.device_token_id = _free_address(current, user, in_use)
    if goes_on:
        if session.device_token_id is not None:
            give_address(session.device_token_id, user_id=user.pk, held_by=session.pk)
        opened_at = renew(session, lifetime=session_lifetime(app))
    else:
        if in_use:
            session.opened_from = None  # what `current` does with its push address does not concern this session
        opened_at = _open(session)
    return Grant.of(UserAccessToken.for_session(session, issued_at=opened_at, expires_at=session.expires_at))


def sign_up_on_device(*, current: Session, origin: Origin, **fields: Any) -> tuple[User, Grant]:
    """Register a user and log them in on the device of ``current``. An error undoes both.

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

    Raises: SessionEnded, when it is not among them, because it has ended since it was looked at.
    """
    if current.pk not in locked:
        raise SessionEnded
    return locked[current.pk]


def _same_device(session: Session) -> dict[str, Any]:
    """The fields that a user's session copies from ``session``, which it is opened from on the same device."""
    return {
        "device_id": session.device_id,
        "platform": session.platform,
        "opened_from_id": session.pk if session.is_app_level else session.opened_from_id,
    }


def _is_replaced(each: Session, *, session: Session, current: Session) -> bool:
    """Whether ``each``, which is on the device of ``current``, ends when ``session`` begins."""
    if each.pk == current.pk:
        return each.user_id is not None and each.user_id != session.user_id
    return each.user_id == session.user_id and each.opened_from_id == session.opened_from_id


def _free_address(current: Session, user: User, in_use: list[Session]) -> int | None:
    """The id of the push address of ``current``, unless another user's session among ``in_use`` holds it."""
    address = current.device_token_id
    is_taken = any(each.user_id != user.pk and each.device_token_id == address for each in in_use)
    return None if is_taken else address


def _note(user: User, origin: Origin, *, latitude: float | None = None, longitude: float | None = None) -> None:
    """Lock ``user`` and note the log-in there. Raises: BadCredentials, as the log-ins."""
    if not note_login(user, origin=origin, latitude=latitude, longitude=longitude):
        raise BadCredentials


def _live_in_app(user: User, app: App) -> QuerySet[Session]:
    return Session.objects.filter(user=user, app=app, ended_at=None)


def _make_room(session: Session, origin: Origin) -> set[UUID]:
    """End the user's oldest sessions, so that ``session``, which is not stored yet, keeps to the app's limit.

    The user's sessions in the app are locked, and their push addresses. No other log-in of the user runs
    at the same time: each one locks the user's row first (`_note`).

    Returns: the ids of the sessions that it ended because of the limit.
    """
    most = sessions_per_user(session.app)
    if not most or session.user is None:
        return set()
    live = _live_in_app(session.user, session.app)
    end_timed_out(live)
    too_many = list(live.order_by("-created_at", "-pk").values_list("pk", flat=True)[most - 1 :])
    over = Session.objects.filter(pk__in=too_many)
    return end_sessions(over, actor=None, reason=EndReason.OVER_LIMIT, origin=origin)


def _open(session: Session, *, token: str | None = None) -> datetime:
    """Store a user's new session; its push address becomes the user's. If its device is new to the user, mail them.

    Args: token: the push address in the clear, if it may not be stored yet.

    Returns: the database's time when it was opened.
    """
    lifetime = session_lifetime(session.app)
    if token:
        opened_at = open_session_with_token(session, token, lifetime=lifetime)
    elif session.device_token_id is not None:
        opened_at = open_session_on_address(session, lifetime=lifetime)
    else:
        opened_at = open_session(session, lifetime=lifetime)
    if settings.NEW_DEVICE_MAIL and is_new_device(session):
        after_commit(mail_new_device, session)
    return opened_at


def is_new_device(session: Session) -> bool:
    """Whether the session's user has logged in before, but not from there.

    "There" is the same device, the same push address, or the same user agent at the same IP address.
    """
    there = Q(user_agent=session.user_agent, ip=session.ip)
    if session.device_id is not None:
        there |= Q(device=session.device_id)
    if session.device_token_id is not None:
        there |= Q(device_token=session.device_token_id)
    before = Session.objects.filter(user=session.user_id).exclude(pk=session.pk)
    return before.exists() and not before.filter(there).exists()


def _session(app: App, origin: Origin, *, platform: str = "", **fields: Any) -> Session:
    """A session of ``app`` that is not stored yet. `open_session` sets its times."""
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
