"""How a session goes on: a refresh token buys the next access token (RFC 6749 §6)."""

import hashlib
from datetime import datetime

from django.conf import settings
from rest_framework_simplejwt.exceptions import TokenError as SimpleJWTError

from sessions.authentication import get_live_session
from sessions.errors import SessionEnded, TokenInvalid
from sessions.logout import end_sessions
from sessions.models import EndReason, Session
from sessions.origin import Origin
from sessions.sql.statement import Statement, Value
from sessions.tokens.grant import Grant
from sessions.tokens.jwt import RefreshToken, UserAccessToken
from users.transactions import tried_again


@tried_again
def refresh(raw: str, *, audience: str, origin: Origin) -> Grant:
    """A new access token for the session of the refresh token ``raw``, an app's named ``audience``.

    With ``settings.ROTATE_REFRESH_TOKENS`` a new refresh token as well; the old one is then
    used up, and coming back with it ends the session: whoever has it, one of two is a thief
    (RFC 9700 §4.14.2). But answers get lost, and phones ask twice at once: within
    ``settings.REFRESH_GRACE`` the client that used the token gets the same successor again, as long
    as nobody has used that one.

    Raises: TokenExpired, TokenInvalid, SessionEnded.
    """
    token, client = RefreshToken.read(raw), _digest_of_client(origin)
    session = _look(token, audience)
    if token["jti"] == session.refresh_jti:
        grant = _use(token, session, client)
        if grant is not None:
            return grant
        session = _look(token, audience)  # raises, if a logout came between our look and our write
        if token["jti"] == session.refresh_jti:
            raise SessionEnded  # other hands have revoked the token through simplejwt's own tables
    if _is_retry(token, session, client):
        return _grant(session, _not_blacklisted(_successor_of(session)))
    reused = Session.objects.filter(pk=session.pk)
    end_sessions(reused, actor=None, reason=EndReason.REFRESH_REUSED, origin=origin)
    raise SessionEnded


def _look(token: RefreshToken, audience: str) -> Session:
    session = get_live_session(token)
    if session.app.name != audience:
        raise TokenInvalid
    return session


# Compare and set: a logout that was quicker has set `ended_at`, another refresh `refresh_jti`. Either way
# nothing is written and nothing handed out.
_CURRENT = """
       id = %(id)s AND ended_at IS NULL AND refresh_jti = %(jti)s
   AND NOT EXISTS (
       SELECT FROM token_blacklist_blacklistedtoken b
         JOIN token_blacklist_outstandingtoken o ON o.id = b.token_id
        WHERE o.jti = %(jti)s)
"""
_NOTE_USE = Statement(f"UPDATE user_sessions_session SET last_seen_at = %(now)s WHERE {_CURRENT} RETURNING id")  # noqa: S608
_ROTATE = Statement(f"""
WITH used AS (
    UPDATE user_sessions_session
       SET last_seen_at = %(now)s, refresh_jti = %(successor)s,
           refresh_used_jti = %(jti)s, refresh_used_at = %(now)s, refresh_used_by = %(client)s
     WHERE {_CURRENT}
 RETURNING id, user_id, expires_at
), recorded AS (
    INSERT INTO token_blacklist_outstandingtoken (jti, user_id, token, created_at, expires_at)
    SELECT %(successor)s, user_id, '', %(now)s, expires_at FROM used
), blacklisted AS (
    INSERT INTO token_blacklist_blacklistedtoken (token_id, blacklisted_at)
    SELECT o.id, %(now)s FROM used CROSS JOIN token_blacklist_outstandingtoken o WHERE o.jti = %(jti)s
        ON CONFLICT (token_id) DO NOTHING
)
SELECT id FROM used
""")  # noqa: S608


def _use(token: RefreshToken, session: Session, client: str) -> Grant | None:
    """The next tokens; None, when ``token`` is not the session's current one any more."""
    now = session.checked_at
    facts: dict[str, Value] = {"id": session.pk, "jti": token["jti"], "now": now}
    if not settings.ROTATE_REFRESH_TOKENS:
        return _grant(session) if _NOTE_USE.fetch_all(**facts) else None
    successor = RefreshToken.for_session(session, issued_at=now, expires_at=session.expires_at)
    if not _ROTATE.fetch_all(**facts, successor=successor["jti"], client=client):
        return None
    return _grant(session, successor)


def _not_blacklisted(token: RefreshToken) -> RefreshToken:
    """The token, unless other hands have revoked it through simplejwt's own tables. Raises: SessionEnded."""
    try:
        token.check_blacklist()
    except SimpleJWTError as error:
        raise SessionEnded from error
    return token


def _is_retry(token: RefreshToken, session: Session, client: str) -> bool:
    """Whether the client that has just used this token asks again, since it never got the answer."""
    used_at: datetime | None = session.refresh_used_at
    return (
        used_at is not None
        and session.refresh_used_jti == token["jti"]
        and session.refresh_used_by == client
        and session.checked_at - used_at < settings.REFRESH_GRACE
    )


def _successor_of(session: Session) -> RefreshToken:
    """The session's current refresh token once more, claim by claim; its text was never kept."""
    used_at = session.refresh_used_at
    assert used_at is not None  # noqa: S101  # `_is_retry` has looked
    token = RefreshToken.for_session(session, issued_at=used_at, expires_at=session.expires_at)
    token["jti"] = session.refresh_jti
    return token


def _digest_of_client(origin: Origin) -> str:
    # Not by address: that answers get lost is mostly because a phone's has just changed.
    return hashlib.sha256(origin.user_agent.encode()).hexdigest()


def _grant(session: Session, successor: RefreshToken | None = None) -> Grant:
    now = session.checked_at
    expires_at = now + settings.ACCESS_TOKEN_LIFETIME
    return Grant.of(UserAccessToken.for_session(session, issued_at=now, expires_at=expires_at), successor)
