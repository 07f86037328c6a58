"""How a session goes on: a refresh token buys the next access token (RFC 6749 §6)."""

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from rest_framework_simplejwt.exceptions import TokenError as SimpleJWTError

from sessions.authentication import get_live_session
from sessions.errors import SessionEnded, TokenInvalid
from sessions.login import Grant
from sessions.logout import end_sessions
from sessions.models import EndReason, Session
from sessions.origin import Origin
from sessions.tokens import RefreshToken, UserAccessToken


def refresh(raw: str, *, audience: str, origin: Origin) -> Grant:
    """A new access token for the session of the refresh token ``raw``, an app's named ``audience``.

    With ``settings.ROTATE_REFRESH_TOKENS`` a new refresh token as well; the old one is then
    used up, and coming back with it ends the session: whoever has it, one of two is a thief
    (RFC 9700 §4.14.2).

    Raises: TokenExpired, TokenInvalid, SessionEnded.
    """
    token = RefreshToken.read(raw)
    session = get_live_session(token, now=timezone.now())
    if session.app.name != audience:
        raise TokenInvalid
    try:
        if token["jti"] == session.refresh_jti:
            return _next(token, session)
    except _Outrun:
        pass  # Another request used the token between our look and our write: as bad as any reuse.
    # Outside of the block above: its work is undone, the end of the session must stay.
    reused = Session.objects.filter(pk=session.pk)
    end_sessions(reused, actor=None, reason=EndReason.REFRESH_REUSED, origin=origin)
    raise SessionEnded


class _Outrun(Exception):
    """The compare-and-set found another refresh token than the one compared."""


@transaction.atomic
def _next(token: RefreshToken, session: Session) -> Grant:
    try:
        token.check_blacklist()  # revoked by other hands, through simplejwt's own tables
    except SimpleJWTError as error:
        raise SessionEnded from error
    now = timezone.now()
    successor = None
    if settings.ROTATE_REFRESH_TOKENS:
        successor = RefreshToken.for_session(session, expires_at=session.expires_at)
    # Compare and set: a logout that was quicker has set `ended_at`, another refresh `refresh_jti`.
    # Either way nothing is written here and nothing handed out.
    current = Session.objects.filter(pk=session.pk, refresh_jti=token["jti"])
    open_now = current.filter(ended_at=None)
    if not open_now.update(last_seen_at=now, refresh_jti=(successor or token)["jti"]):
        if current.exists():
            raise SessionEnded
        raise _Outrun
    if successor is not None:
        successor.record(session)
        token.blacklist()
    access = UserAccessToken.for_session(session, expires_at=now + settings.ACCESS_TOKEN_LIFETIME)
    return Grant(session, str(access), access.expires_at, str(successor) if successor else None)
