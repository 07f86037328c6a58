"""How a session begins: an app registers on a device, or a user logs in."""

from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from ua_parser import parse_os

from sessions.accounts import create_account
from sessions.errors import SessionEnded
from sessions.factor import note_recovery_code
from sessions.geography import judge_login
from sessions.jobs.deferring import after_commit
from sessions.liveness import live_sessions
from sessions.logout import end_sessions
from sessions.mail import mail_login
from sessions.models import PLATFORM_LENGTH, USER_AGENT_LENGTH, EndReason, Session
from sessions.policy import session_lifetime, sessions_per_user
from sessions.sql import opening as sql
from sessions.sql.live_session import lock_on_device, lock_on_device_and_in_app
from sessions.sql.locks import lock_addresses_of, lock_sessions
from sessions.sql.login import give_address, note_login, renew
from sessions.sql.login_record import record_login
from sessions.timeouts import end_timed_out
from sessions.tokens.grant import Grant
from sessions.tokens.jwt import AppAccessToken, RefreshToken, UserAccessToken
from users.clients import get_zap_app
from users.clock import database_now
from users.counting import session_opened
from users.directory import admit_user
from users.errors import AppInactive, BadAppCredentials, BadCredentials, SecondFactorRequired
from users.models import App, DeviceToken, User
from users.origin import Origin
from users.record.events import Event
from users.record.stream import log_entry
from users.record.writing import record
from users.second_factor.codes import Kind
from users.second_factor.enabling import has_factor
from users.transactions import in_transaction, tried_again


# savepoint=False: inside a caller's transaction this costs no extra round trips.
@tried_again
@transaction.atomic(savepoint=False)
def open_app_session(app: App, *, origin: Origin, **on_device: Any) -> Grant:
    """Open an app-level session: an app on a device, without a user.

    Args: on_device: fields of the session.

    Raises: BadAppCredentials, when the app was switched off after its key was checked.
    """
    session = _session(app, origin, **on_device)
    try:
        opened_at = sql.open_session(session, lifetime=settings.APP_SESSION_LIFETIME)
    except AppInactive as error:
        raise BadAppCredentials from error
    session_opened()
    return Grant.of(AppAccessToken.for_session(session, issued_at=opened_at, expires_at=session.expires_at))


@in_transaction
def log_in_by_cookie(user: User, *, app: App, origin: Origin, instead_of: Session | None = None) -> Session:
    """Log ``user`` in to one of our pages, whose app is ``app``: the admin or the account page. There is no token.

    Args: instead_of: the session that the same browser had before; it ends.

    Raises: SecondFactorRequired, when ``user`` has a second factor and has not shown it; BadCredentials, when the
        password or the factor that ``user`` was loaded with has changed since.
    """
    _require_factor(user)
    _note_or_refuse(user, origin)
    session = _session(app, origin, user=user)
    replaced = Session.objects.filter(pk=instead_of.pk, ended_at=None) if instead_of else Session.objects.none()
    if instead_of is not None or sessions_per_user(app):
        lock_sessions(replaced | _live_in_app(user, app))
    end_sessions(replaced, actor=user, reason=EndReason.SUPERSEDED, origin=origin)
    _make_room(session, origin)
    _open(session, user, origin=origin)
    _take_back(user)
    return session


@tried_again
def log_in_with_refresh(user: User, *, device_token: str | None, origin: Origin) -> Grant:
    """Log ``user`` in to ZAP's app, with a short-lived access token and a refresh token (RFC 6749 §1.5).

    The device token becomes this user's, even if it was another user's before.

    Raises: SecondFactorRequired, when ``user`` has a second factor and has not shown it; BadCredentials, when the
        password or the factor that ``user`` was loaded with has changed since; AppInactive.
    """
    _require_factor(user)
    session = _session(None, origin, user=user, refresh_jti=uuid4().hex)
    facts: dict[str, Any] = {"app_name": settings.ZAP_APP, "token": device_token, "request_id": origin.request_id}
    stored = None
    if not settings.SESSIONS_PER_USER:
        with _transaction(user):
            stored = sql.log_in(session, user, has_room=False, **facts)
            if stored is not None:
                _tell(session, user, origin, is_new=stored.is_on_new_device)
    if stored is None:
        app = _get_zap_app(user)  # it may not exist yet
        with transaction.atomic():
            if sessions_per_user(app):
                session.app = app
                _make_room_for(session, user, device_token, origin)
            stored = sql.log_in(session, user, has_room=True, **facts)
            if stored is None:
                raise BadCredentials
            _tell(session, user, origin, is_new=stored.is_on_new_device)
    refresh = RefreshToken.for_session(session, issued_at=stored.at, expires_at=session.expires_at)
    refresh["jti"] = session.refresh_jti
    expires_at = stored.at + settings.ACCESS_TOKEN_LIFETIME
    return Grant.of(UserAccessToken.for_session(session, issued_at=stored.at, expires_at=expires_at), refresh)


@tried_again
def log_in_on_device(
    user: User,
    *,
    current: Session,
    origin: Origin,
    latitude: float | None = None,
    longitude: float | None = None,
) -> Grant:
    """Log ``user`` in on the device of ``current``, the session of the request's token.

    For clients that can't refresh: the access token lasts as long as the session. The user's location is stored with
    the log-in, if it is given.

    - If ``current`` is the user's own, it goes on: the .NET client keeps its first token through a second
      log-in. The request has shown that the client uses it. The user's other sessions that were
      opened from the same registration or logout end.
    - If ``current`` is another user's, it ends, and its device token becomes this user's.
    - If ``current`` is app-level, its device token becomes this user's. But if another user who is logged in on the
      device holds the token, they keep it: an app-level token does not say who is logged in now.

    Raises: SecondFactorRequired, when ``user`` has a second factor and has not shown it; BadCredentials, when the
        password or the factor that ``user`` was loaded with has changed since; SessionEnded, when ``current`` has ended
        since authentication.
    """
    _require_factor(user)
    if current.is_app_level and not sessions_per_user(current.app):
        session = _session(current.app, origin, user=user, **_same_device(current))
        where = {"latitude": latitude, "longitude": longitude}
        lifetime, request_id = session_lifetime(current.app), origin.request_id
        with _transaction(user):
            stored = sql.log_in_on_device(session, user, lifetime=lifetime, request_id=request_id, **where)
            if stored is not None:
                _tell(session, user, origin, is_new=stored.is_on_new_device)
                return _user_grant(session, stored.at)
    with transaction.atomic():
        _note_or_refuse(user, origin, latitude=latitude, longitude=longitude)
        grant = _log_in_among_others(user, current, origin)
        _take_back(user)
        return grant


def _log_in_among_others(user: User, current: Session, origin: Origin) -> Grant:
    """Log ``user``, whose row is locked, in on a device where other sessions may be open. Raises: SessionEnded."""
    app, has_limit = current.app, bool(sessions_per_user(current.app))
    if has_limit:
        locked = lock_on_device_and_in_app(current.device_id, user_id=user.pk, app_id=app.pk)
    else:
        locked = lock_on_device(current.device_id)
    current = still_open(current, locked)
    goes_on = current.user_id == user.pk
    session = _session(app, origin, user=user, **_same_device(current))
    if goes_on:
        session.pk = current.pk
    on_device = [each for each in locked.values() if each.device_id == current.device_id]
    replaced = {each.pk for each in on_device if _is_replaced(each, session=session, current=current)}
    if replaced or has_limit:
        lock_addresses_of(locked)
    # End them before the device token moves. Otherwise their end would take it away again.
    if replaced:
        ending = Session.objects.filter(pk__in=replaced)
        end_sessions(ending, actor=user, reason=EndReason.SUPERSEDED, origin=origin)
    ended = replaced if goes_on else replaced | _make_room(session, origin)
    in_use = [each for each in on_device if each.pk not in ended and _is_in_use(each)]
    session.device_token_id = _free_address(current, user, in_use)
    if goes_on:
        opened_at = _go_on(session, user, origin)
    else:
        if in_use:
            session.opened_from = None  # a new device token of `current` must not become this session's
        try:
            opened_at = _open(session, user, origin=origin)
        except AppInactive as error:  # it was switched off after the request's token was checked
            raise SessionEnded from error
    return _user_grant(session, opened_at)


def _user_grant(session: Session, opened_at: datetime) -> Grant:
    return Grant.of(UserAccessToken.for_session(session, issued_at=opened_at, expires_at=session.expires_at))


def sign_up_on_device(*, current: Session, origin: Origin, **fields: Any) -> tuple[User, Grant]:
    """Register a user and log them in on the device of ``current``. An error undoes both.

    Raises: IdentityTaken, PasswordRefused, RegistrationClosed, TooManyAttempts, SessionEnded.
    """
    admit_user(ip=origin.ip, **fields)

    @in_transaction
    def sign_up() -> tuple[User, Grant]:
        user = create_account(by={"origin": origin}, **fields)
        return user, log_in_on_device(user, current=current, origin=origin)

    return sign_up()


def sessions_on_device(session: Session) -> QuerySet[Session]:
    """Return the open sessions on the device of ``session``, app-level ones and users'."""
    return Session.objects.filter(device=session.device_id, ended_at=None)


def is_in_use(device_id: str | None) -> bool:
    """Return whether a user is logged in on that device now."""
    of_users = Session.objects.filter(device=device_id, user__isnull=False)
    return live_sessions(of_users, now=database_now()).exists()


def still_open(current: Session, locked: dict[UUID, Session]) -> Session:
    """Return ``current`` from ``locked``, the open sessions that this request has locked.

    Raises: SessionEnded, when it is not among them, because it has ended since authentication.
    """
    if current.pk not in locked:
        raise SessionEnded
    return locked[current.pk]


def _same_device(session: Session) -> dict[str, Any]:
    """Return the fields that a user's session copies from ``session``, from which it is opened on the same device."""
    return {
        "device_id": session.device_id,
        "platform": session.platform,
        "opened_from_id": session.pk if session.is_app_level else session.opened_from_id,
    }


def _is_replaced(each: Session, *, session: Session, current: Session) -> bool:
    """Return whether ``each``, a session on the device of ``current``, ends when ``session`` begins."""
    if each.pk == current.pk:
        return each.user_id is not None and each.user_id != session.user_id
    return each.user_id == session.user_id and each.opened_from_id == session.opened_from_id


def _is_in_use(each: Session) -> bool:
    """Return whether a user is logged in by ``each``, a session that was just locked."""
    return each.user_id is not None and each.refusal(each.checked_at) is None


def _go_on(session: Session, user: User, origin: Origin) -> datetime:
    """Renew the stored session of the same id, and give its user the device token. Returns: the database's time."""
    if session.device_token_id is not None:
        give_address(session.device_token_id, user_id=user.pk, held_by=session.pk)
    _tell_unusual(session, user, origin, is_new=False)  # now: the renewal overwrites the time of the earlier log-in
    opened_at = renew(session, lifetime=session_lifetime(session.app))
    record(Event.LOGIN, user=user, actor=user, origin=origin, session_id=session.pk, app=session.app)
    return opened_at


def _free_address(current: Session, user: User, in_use: list[Session]) -> int | None:
    """Return the id of the device token of ``current``. None, if another user's session among ``in_use`` holds it."""
    address = current.device_token_id
    is_taken = any(each.user_id != user.pk and each.device_token_id == address for each in in_use)
    return None if is_taken else address


def _require_factor(user: User) -> None:
    """Check that ``user`` has shown their second factor, if they have one. Raises: SecondFactorRequired.

    Every log-in calls this. So none opens a session by the password alone.
    """
    if has_factor(user) and user.shown_factor is None:
        raise SecondFactorRequired(user)


def _note_or_refuse(
    user: User, origin: Origin, *, latitude: float | None = None, longitude: float | None = None
) -> None:
    """Lock ``user`` and store the log-in in their row. Raises: BadCredentials."""
    if not note_login(user, origin=origin, latitude=latitude, longitude=longitude):
        raise BadCredentials


def _live_in_app(user: User, app: App) -> QuerySet[Session]:
    return Session.objects.filter(user=user, app=app, ended_at=None)


def _make_room(session: Session, origin: Origin) -> set[UUID]:
    """End the user's oldest sessions, so that ``session``, which is not stored yet, stays within the app's limit.

    The caller has locked the user's sessions in the app and their device tokens. No other log-in of the user runs
    at the same time: each one locks the user's row first (`_note_or_refuse`).

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


def _transaction(user: User) -> AbstractContextManager[None]:
    """Return a transaction for a log-in, if one statement is not enough for it."""
    may_mail = settings.NEW_DEVICE_MAIL and bool(user.email)
    is_one_statement = settings.GEOIP_PATH is None and user.shown_factor is not Kind.RECOVERY_CODE and not may_mail
    # savepoint=False: inside a caller's transaction this costs no extra round trips.
    return nullcontext() if is_one_statement else transaction.atomic(savepoint=False)


def _open(session: Session, user: User, *, origin: Origin) -> datetime:
    """Store a user's new session, give them its stored device token, and record the log-in.

    Returns: the database's time when the session was opened.
    """
    open_it = sql.open_session if session.device_token_id is None else sql.open_session_on_address
    opened_at = open_it(session, lifetime=session_lifetime(session.app))
    _tell(session, user, origin, is_new=record_login(session, request_id=origin.request_id))
    return opened_at


def _tell(session: Session, user: User, origin: Origin, *, is_new: bool) -> None:
    """Count the session, log the record's entries that its statement has written, and tell what is unusual about it.

    Args: is_new: whether the device is new to the user.
    """
    session_opened()
    for event in (Event.LOGIN, Event.NEW_DEVICE) if is_new else (Event.LOGIN,):
        facts = {"user": user.pk, "actor": user.pk, "app": session.app_id}
        log_entry(event.value, event.outcome.value, session=session.pk, origin=origin, **facts)
    _tell_unusual(session, user, origin, is_new=is_new)


def _tell_unusual(session: Session, user: User, origin: Origin, *, is_new: bool) -> None:
    """Record and mail what is unusual about a log-in: its location, a recovery code, a new device."""
    judge_login(session, origin=origin)
    if user.shown_factor is Kind.RECOVERY_CODE:
        note_recovery_code(user, origin=origin)
    if settings.NEW_DEVICE_MAIL and (is_new or session.judgement) and user.email:
        after_commit(mail_login, str(session.pk), is_new, email=user.email, email_verified=user.email_verified)


def _get_zap_app(user: User) -> App:
    """Return ZAP's app. An attempt at an app that is switched off does not count. Raises: AppInactive."""
    try:
        return get_zap_app()
    except AppInactive:
        _take_back(user)
        raise


def _make_room_for(session: Session, user: User, device_token: str | None, origin: Origin) -> None:
    """Lock what a log-in within a limit needs, in the one order, and end the user's oldest sessions."""
    User.objects.select_for_update(no_key=True).get(pk=user.pk)
    locked = lock_sessions(_live_in_app(user, session.app))
    lock_addresses_of(locked, digest=DeviceToken.digest_of(device_token) if device_token else None)
    _make_room(session, origin)


def _take_back(user: User) -> None:
    """Take back the attempt that was counted before the user's password was checked."""
    if user.attempt is not None:
        user.attempt.take_back()


def _session(app: App | None, origin: Origin, *, platform: str = "", **fields: Any) -> Session:
    """Make a session of ``app`` that is not stored yet. `open_session` sets its times."""
    user_agent = origin.user_agent[:USER_AGENT_LENGTH]
    return Session(
        **{"app": app} if app else {},
        ip=origin.ip,
        user_agent=user_agent,
        platform=platform or _platform_of(user_agent),
        **fields,
    )


def _platform_of(user_agent: str) -> str:
    system = parse_os(user_agent)
    return system.family[:PLATFORM_LENGTH] if system else ""
