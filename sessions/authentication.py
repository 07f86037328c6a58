"""Decide whether a token is accepted now. Each request with a token or an admin's cookie runs one statement.

A signature proves that we issued a token. Only the database knows whether its session is still live. So each request
asks the database and no answer is cached: after a logout has committed, the next request is refused.
"""

from typing import ClassVar
from uuid import UUID

from django.contrib.auth.models import AnonymousUser
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from sessions.errors import SessionEnded, SessionNotFound, TokenExpired, TokenInvalid, TokenMissing
from sessions.models import Session
from sessions.policy import last_seen_every
from sessions.sql.live_session import find_session
from sessions.tokens.jwt import SessionToken, UserAccessToken
from users.database_use import serve
from users.models import User


def get_live_session(token: SessionToken, *, allow_expired: bool = False) -> Session:
    """Find the live session of ``token``, with `app` and `user` loaded. One query.

    The check uses the database's time, and stores it in `checked_at` of the session.

    Args: allow_expired: accept a token past its `exp`, if its session is live.

    Raises: TokenInvalid (no such session, or a wrong audience or subject), TokenExpired, SessionEnded.
    """
    session = find_session(token.session_id)
    if session is None or not token.speaks_for(session):
        raise TokenInvalid
    if token.is_expired(session.checked_at) and not allow_expired:
        raise TokenExpired
    return _checked(session)


def get_live_session_by_id(session_id: UUID) -> Session:
    """Find the live session of that id, by the same statement and rules as `get_live_session`.

    An id is no secret. Pass only an id that a valid signature covers.

    Raises: SessionNotFound, SessionEnded.
    """
    session = find_session(session_id)
    if session is None:
        raise SessionNotFound
    return _checked(session)


def _checked(session: Session) -> Session:
    serve(session.user_id or session.pk)
    refusal = session.refusal(session.checked_at)
    if refusal is not None:
        raise SessionEnded(refusal)
    return session


def note_use(session: Session) -> None:
    """Set `last_seen_at` of a session that was just found live, at most once in `last_seen_every`."""
    now = session.checked_at
    if now - session.last_seen_at >= last_seen_every(session.app):
        Session.objects.filter(pk=session.pk, last_seen_at__lt=now).update(last_seen_at=now)


class SessionAuthentication(BaseAuthentication):
    """DRF authentication by access token: `request.auth` is the Session, `request.user` its user.

    Subclasses set what they accept: the scheme of the `Authorization` header, how many words may follow it, and
    the kind of token.
    """

    schemes: ClassVar[tuple[str, ...]] = ("bearer",)
    most_words: ClassVar[int] = 1
    token_class: ClassVar[type[SessionToken]] = UserAccessToken
    allow_expired: ClassVar[bool] = False

    def authenticate(self, request: Request) -> tuple[User | AnonymousUser, Session]:
        """Find the session and the user of the request's token.

        Raises: TokenMissing, TokenExpired, TokenInvalid, SessionEnded.
        """
        token = self.token_class.read(self.credentials(request)[0])
        session = get_live_session(token, allow_expired=self.allow_expired)
        self.check(request, session, token)
        note_use(session)
        return session.user or AnonymousUser(), session

    def credentials(self, request: Request) -> list[str]:
        """Return the words after the scheme (RFC 9110 §11.4), at least one.

        Raises: TokenMissing, TokenInvalid (too many).
        """
        scheme, *words = request.META.get("HTTP_AUTHORIZATION", "").split() or [""]
        if scheme.lower() not in self.schemes or not words:
            raise TokenMissing
        if len(words) > self.most_words:
            raise TokenInvalid
        return words

    def check(self, request: Request, session: Session, token: SessionToken) -> None:
        """Check what a dialect requires in addition. Raises: SessionsError."""
