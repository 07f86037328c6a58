"""Is this token good, now? The hot path: one statement for each request that carries a token or an admin's cookie.

The signature says that a token was ours; only the database knows whether its session still is.
So it is asked each time, and no verdict is kept: what a logout commits, the next request sees.
"""

from collections.abc import Iterator
from datetime import datetime
from functools import cache
from typing import Any, ClassVar, TypeVar
from uuid import UUID

from django.contrib.auth.models import AnonymousUser
from django.db import DEFAULT_DB_ALIAS, models
from django.db.models.base import ModelState
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from sessions.errors import SessionEnded, SessionNotFound, TokenExpired, TokenInvalid, TokenMissing
from sessions.models import Session
from sessions.policy import last_seen_every
from sessions.sql.statement import Statement
from sessions.tokens.jwt import SessionToken, UserAccessToken
from users.database_use import serve
from users.models import App, User

M = TypeVar("M", bound=models.Model)


def get_live_session(token: SessionToken, *, allow_expired: bool = False) -> Session:
    """The live session that ``token`` speaks for, with `app` and `user` loaded: one query.

    The database's time decides; `checked_at` of the session holds it.

    Args: allow_expired: accept a token past its `exp`, if its session is live.

    Raises: TokenInvalid (no such session, or not its audience or subject), TokenExpired, SessionEnded.
    """
    session = _find_session(token.session_id)
    if session is None or not token.speaks_for(session):
        raise TokenInvalid
    if token.is_expired(session.checked_at) and not allow_expired:
        raise TokenExpired
    return _checked(session)


def get_live_session_by_id(session_id: UUID) -> Session:
    """The live session of that id, by the same statement and rules as `get_live_session`.

    An id is no secret: only ask for one that a signature vouches for.

    Raises: SessionNotFound, SessionEnded.
    """
    session = _find_session(session_id)
    if session is None:
        raise SessionNotFound
    return _checked(session)


def _checked(session: Session) -> Session:
    serve(session.user_id or session.pk)
    refusal = session.refusal(session.checked_at)
    if refusal is not None:
        raise SessionEnded(refusal)
    return session


def _find_session(session_id: UUID) -> Session | None:
    """The session, live or not, with its app and user; `checked_at` is the database's time."""
    # By hand, not by `select_related`: building this statement anew on each request costs the ORM
    # more CPU than the database takes to answer it.
    row = _statement().look_up(id=session_id)
    if row is None:
        return None
    values = iter(row)
    now: datetime = next(values)
    session, app, user = _build(Session, values), _build(App, values), _build(User, values)
    session._state.fields_cache |= {"app": app, "user": user if session.user_id is not None else None}
    session.checked_at = now
    return session


@cache
def _statement() -> Statement:
    tables = (("s", Session), ("a", App), ("u", User))
    columns = ", ".join(f'{alias}."{name}"' for alias, model in tables for name in _names(model))
    # Names of tables and columns only, and those from the models.
    return Statement(f"""
        SELECT clock_timestamp(), {columns}
          FROM "{Session._meta.db_table}" s
          JOIN "{App._meta.db_table}" a ON a.id = s.app_id
     LEFT JOIN "{User._meta.db_table}" u ON u.id = s.user_id
         WHERE s.id = %(id)s
    """)  # noqa: S608


# What only staff look at, or only a login: Django fetches it, should anybody ask.
_LEFT_OUT = {
    Session: {"ip", "user_agent", "platform"}
    | {"ended_by_id", "ended_ip", "ended_request_id", "end_reason", "bulk_run_id"},
    App: {"key_hash", "created_at"},
    User: {"password", "password_changed_at"},
}


@cache
def _names(model: type[models.Model]) -> list[str]:
    """Of its attributes, as of the columns."""
    return [field.attname for field in model._meta.concrete_fields if field.attname not in _LEFT_OUT[model]]


def _build(model: type[M], values: Iterator[Any]) -> M:
    # What `Model.from_db` does, without the signals of each new object, for which nobody listens.
    made = model.__new__(model)
    made._state = ModelState()
    made._state.adding, made._state.db = False, DEFAULT_DB_ALIAS
    # As many as there are names; what follows in ``values`` is the next one's.
    made.__dict__.update(zip(_names(model), values, strict=False))
    return made


def note_use(session: Session) -> None:
    """Store when a session that was just found live was last seen, unless that was stored of late."""
    now = session.checked_at
    if now - session.last_seen_at >= last_seen_every(session.app):
        Session.objects.filter(pk=session.pk, last_seen_at__lt=now).update(last_seen_at=now)


class SessionAuthentication(BaseAuthentication):
    """DRF authentication by access token: `request.auth` is the Session, `request.user` its user.

    Subclasses say what is accepted: the scheme of the `Authorization` header and how many words come
    after it, the kinds of token.
    """

    schemes: ClassVar[tuple[str, ...]] = ("bearer",)
    most_words: ClassVar[int] = 1
    token_class: ClassVar[type[SessionToken]] = UserAccessToken
    allow_expired: ClassVar[bool] = False

    def authenticate(self, request: Request) -> tuple[User | AnonymousUser, Session]:
        """Raises: TokenMissing, TokenExpired, TokenInvalid, SessionEnded."""
        token = self.token_class.read(self.credentials(request)[0])
        session = get_live_session(token, allow_expired=self.allow_expired)
        self.check(request, session, token)
        note_use(session)
        return session.user or AnonymousUser(), session

    def credentials(self, request: Request) -> list[str]:
        """The words after the scheme (RFC 9110 §11.4); there is at least one.

        Raises: TokenMissing, TokenInvalid (too many).
        """
        scheme, *words = request.META.get("HTTP_AUTHORIZATION", "").split() or [""]
        if scheme.lower() not in self.schemes or not words:
            raise TokenMissing
        if len(words) > self.most_words:
            raise TokenInvalid
        return words

    def check(self, request: Request, session: Session, token: SessionToken) -> None:
        """What else a dialect asks of a session and its token. Raises: SessionsError."""
