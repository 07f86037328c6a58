"""Log in with a short-lived access token and a refresh token, in ZAP."""

from typing import Any
from uuid import uuid4

from django.conf import settings
from django.db import transaction

from sessions.login.admission import require_factor, take_back
from sessions.login.limit import lock_and_make_room
from sessions.login.new_session import make_session
from sessions.login.telling import tell_login, transaction_of_login
from sessions.policy import sessions_per_user
from sessions.sql import login_at_once as sql
from sessions.tokens.grant import Grant
from sessions.tokens.jwt import RefreshToken, UserAccessToken
from users.clients import get_zap_app
from users.errors import AppInactive, BadCredentials
from users.models import App, User
from users.origin import Origin
from users.transactions import tried_again


@tried_again
def log_in_with_refresh(user: User, *, device_token: str | None, origin: Origin) -> Grant:
    """Log ``user`` in to ZAP's app, with a short-lived access token and a refresh token (RFC 6749 §1.5).

    The device token becomes this user's, even if it was another user's before.

    Raises: SecondFactorRequired, when ``user`` has a second factor and has not shown it; BadCredentials, when the
        password or the factor that ``user`` was loaded with has changed since; AppInactive.
    """
    require_factor(user)
    session = make_session(None, origin, user=user, refresh_jti=uuid4().hex)
    facts: dict[str, Any] = {"app_name": settings.ZAP_APP, "token": device_token, "request_id": origin.request_id}
    stored = None
    if not settings.SESSIONS_PER_USER:
        with transaction_of_login(user):
            stored = sql.log_in(session, user, has_room=False, **facts)
            if stored is not None:
                tell_login(session, user, origin, is_new=stored.is_on_new_device)
    if stored is None:
        app = _get_zap_app(user)  # it may not exist yet
        with transaction.atomic():
            if sessions_per_user(app):
                session.app = app
                lock_and_make_room(session, user, device_token, origin)
            stored = sql.log_in(session, user, has_room=True, **facts)
            if stored is None:
                raise BadCredentials
            tell_login(session, user, origin, is_new=stored.is_on_new_device)
    refresh = RefreshToken.for_session(session, issued_at=stored.at, expires_at=session.expires_at)
    refresh["jti"] = session.refresh_jti
    expires_at = stored.at + settings.ACCESS_TOKEN_LIFETIME
    return Grant.of(UserAccessToken.for_session(session, issued_at=stored.at, expires_at=expires_at), refresh)


def _get_zap_app(user: User) -> App:
    """Return ZAP's app. An attempt at an app that is switched off does not count. Raises: AppInactive."""
    try:
        return get_zap_app()
    except AppInactive:
        take_back(user)
        raise
