"""Make a session and store it."""

from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction
from ua_parser import parse_os

from sessions.login.telling import tell_login
from sessions.models import PLATFORM_LENGTH, USER_AGENT_LENGTH, Session
from sessions.policy import session_lifetime
from sessions.sql import opening as sql
from sessions.sql.login_in_steps import record_login
from sessions.tokens.grant import Grant
from sessions.tokens.jwt import AppAccessToken
from users.counting import session_opened
from users.errors import AppInactive, BadAppCredentials
from users.models import App, User
from users.origin import Origin
from users.transactions import tried_again


# savepoint=False: inside a caller's transaction this costs no extra round trips.
@tried_again
@transaction.atomic(savepoint=False)
def open_app_session(app: App, *, origin: Origin, **on_device: Any) -> Grant:
    """Open an app-level session: an app on a device, without a user.

    Args: on_device: fields of the session.

    Raises: BadAppCredentials, when the app was switched off after its key was checked.
    """
    session = make_session(app, origin, **on_device)
    try:
        opened_at = sql.open_session(session, lifetime=settings.APP_SESSION_LIFETIME)
    except AppInactive as error:
        raise BadAppCredentials from error
    session_opened()
    return Grant.of(AppAccessToken.for_session(session, issued_at=opened_at, expires_at=session.expires_at))


def open_for_user(session: Session, user: User, *, origin: Origin) -> datetime:
    """Store a user's new session, give them its stored device token, and record the log-in.

    Returns: the database's time when the session was opened.
    """
    open_it = sql.open_session if session.device_token_id is None else sql.open_session_on_address
    opened_at = open_it(session, lifetime=session_lifetime(session.app))
    tell_login(session, user, origin, is_new=record_login(session, request_id=origin.request_id))
    return opened_at


def make_session(app: App | None, origin: Origin, *, platform: str = "", **fields: Any) -> Session:
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
