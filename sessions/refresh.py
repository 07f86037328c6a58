"""How a session goes on: a client exchanges its refresh token for the next access token (RFC 6749 §6)."""

import hashlib
from datetime import datetime

from django.conf import settings
from rest_framework_simplejwt.exceptions import TokenError as SimpleJWTError

from sessions.authentication import get_live_session
from sessions.errors import SessionEnded, TokenInvalid
from sessions.logout import end_sessions
from sessions.models import EndReason, Session
from sessions.sql.rotation import note_refresh, rotate
from sessions.tokens.grant import Grant
from sessions.tokens.jwt import RefreshToken, UserAccessToken
from users.origin import Origin
from users.record.events import Event
from users.record.writing import record
from users.transactions import in_transaction, tried_again


@tried_again
def refresh(raw: str, *, audience: str, origin: Origin) -> Grant:
    """Issue a new access token for the session of the refresh token ``raw``. The session's app is named ``audience``.

    With ``settings.ROTATE_REFRESH_TOKENS`` it also issues a new refresh token, and the old one is used up. If the old
    one is used again, the session ends, because two clients have it and one of them may be a thief (RFC 9700 §4.14.2).
    But answers get lost, and phones ask twice at once. So within ``settings.REFRESH_GRACE`` the client that used the
    token gets the same successor again, unless the successor has been used.

    Raises: TokenExpired, TokenInvalid, SessionEnded.
    """
    token, client = RefreshToken.read(raw), _digest_of_client(origin)
    session = _look(token, audience)
    if token["jti"] == session.refresh_jti:
        grant = _use(token, session, client)
        if grant is not None:
            return grant
        session = _look(token, audience)  # raises, if the session has ended since our first look-up
        if token["jti"] == session.refresh_jti:
            raise SessionEnded  # somebody revoked the token through simplejwt's own tables
    if _is_retry(token, session, client):
        successor = _successor_of(session)
        if not _is_blacklisted(successor):
            return _grant(session, successor)
        if _look(token, audience).refresh_jti == successor["jti"]:
            raise SessionEnded  # somebody revoked the successor through simplejwt's own tables
        # Another request has used the successor since our last look-up.
    _end_reused(session, origin)
    raise SessionEnded


def is_current(token: RefreshToken, session: Session) -> bool:
    """Return whether ``token`` is the live session's current refresh token, and not blacklisted. Changes nothing."""
    return token["jti"] == session.refresh_jti and not _is_blacklisted(token)


@in_transaction
def _end_reused(session: Session, origin: Origin) -> None:
    reused = Session.objects.filter(pk=session.pk)
    if end_sessions(reused, actor=None, reason=EndReason.REFRESH_REUSED, origin=origin):
        event = Event.REFRESH_REUSED
        record(event, user=session.user, origin=origin, session_id=session.pk, app=session.app)


def _look(token: RefreshToken, audience: str) -> Session:
    session = get_live_session(token)
    if session.app.name != audience:
        raise TokenInvalid
    return session


def _use(token: RefreshToken, session: Session, client: str) -> Grant | None:
    """Return the next tokens. None, when ``token`` is no longer the session's current one."""
    jti, now = token["jti"], session.checked_at
    if not settings.ROTATE_REFRESH_TOKENS:
        return _grant(session) if note_refresh(session.pk, jti=jti, now=now) else None
    successor = RefreshToken.for_session(session, issued_at=now, expires_at=session.expires_at)
    is_done = rotate(session.pk, jti=jti, successor=successor["jti"], client=client, now=now)
    return _grant(session, successor) if is_done else None


def _is_blacklisted(token: RefreshToken) -> bool:
    """Return whether the token was used, or somebody revoked it through simplejwt's own tables."""
    try:
        token.check_blacklist()
    except SimpleJWTError:
        return True
    return False


def _is_retry(token: RefreshToken, session: Session, client: str) -> bool:
    """Return whether this is a repeat: the client that used the token sends it again within `REFRESH_GRACE`."""
    used_at: datetime | None = session.refresh_used_at
    return (
        used_at is not None
        and session.refresh_used_jti == token["jti"]
        and session.refresh_used_by == client
        and session.checked_at - used_at < settings.REFRESH_GRACE
    )


def _successor_of(session: Session) -> RefreshToken:
    """Return the session's current refresh token. Its text is not stored, so it is built again from its claims."""
    used_at = session.refresh_used_at
    assert used_at is not None  # noqa: S101  # `_is_retry` has checked it
    token = RefreshToken.for_session(session, issued_at=used_at, expires_at=session.expires_at)
    token["jti"] = session.refresh_jti
    return token


def _digest_of_client(origin: Origin) -> str:
    # Don't use the IP address: most answers get lost because a phone's address has just changed.
    return hashlib.sha256(origin.user_agent.encode()).hexdigest()


def _grant(session: Session, successor: RefreshToken | None = None) -> Grant:
    now = session.checked_at
    expires_at = now + settings.ACCESS_TOKEN_LIFETIME
    return Grant.of(UserAccessToken.for_session(session, issued_at=now, expires_at=expires_at), successor)
