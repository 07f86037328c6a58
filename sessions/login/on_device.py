"""Log in on a device that is registered already, in Buddy."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from sessions.accounts import create_account
from sessions.errors import SessionEnded
from sessions.login.admission import note_or_refuse, require_factor, take_back
from sessions.login.limit import make_room
from sessions.login.new_session import make_session, open_for_user
from sessions.login.telling import tell_login, tell_unusual, transaction_of_login
from sessions.logout import end_sessions
from sessions.models import EndReason, Session
from sessions.policy import session_lifetime, sessions_per_user
from sessions.sql import login_at_once as sql
from sessions.sql.live_session import lock_on_device, lock_on_device_and_in_app
from sessions.sql.locks import lock_addresses_of
from sessions.sql.login_in_steps import give_address, renew
from sessions.tokens.grant import Grant
from sessions.tokens.jwt import UserAccessToken
from users.directory import admit_user
from users.errors import AppInactive
from users.models import User
from users.origin import Origin
from users.record.events import Event
from users.record.writing import record
from users.transactions import in_transaction, tried_again


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
    require_factor(user)
    if current.is_app_level and not sessions_per_user(current.app):
        session = make_session(current.app, origin, user=user, **_same_device(current))
        where = {"latitude": latitude, "longitude": longitude}
        lifetime, request_id = session_lifetime(current.app), origin.request_id
        with transaction_of_login(user):
            stored = sql.log_in_on_device(session, user, lifetime=lifetime, request_id=request_id, **where)
            if stored is not None:
                tell_login(session, user, origin, is_new=stored.is_on_new_device)
                return _user_grant(session, stored.at)
    with transaction.atomic():
        note_or_refuse(user, origin, latitude=latitude, longitude=longitude)
        grant = _log_in_among_others(user, current, origin)
        take_back(user)
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
    session = make_session(app, origin, user=user, **_same_device(current))
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
    ended = replaced if goes_on else replaced | make_room(session, origin)
    in_use = [each for each in on_device if each.pk not in ended and _is_in_use(each)]
    session.device_token_id = _free_address(current, user, in_use)
    if goes_on:
        opened_at = _go_on(session, user, origin)
    else:
        if in_use:
            session.opened_from = None  # a new device token of `current` must not become this session's
        try:
            opened_at = open_for_user(session, user, origin=origin)
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
    tell_unusual(session, user, origin, is_new=False)  # now: the renewal overwrites the time of the earlier log-in
    opened_at = renew(session, lifetime=session_lifetime(session.app))
    record(Event.LOGIN, user=user, actor=user, origin=origin, session_id=session.pk, app=session.app)
    return opened_at


def _free_address(current: Session, user: User, in_use: list[Session]) -> int | None:
    """Return the id of the device token of ``current``. None, if another user's session among ``in_use`` holds it."""
    address = current.device_token_id
    is_taken = any(each.user_id != user.pk and each.device_token_id == address for each in in_use)
    return None if is_taken else address
