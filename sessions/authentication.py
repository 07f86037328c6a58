"""Is this token good, now? The hot path: one statement for each request that carries a token.

The signature says that a token was ours; only the database knows whether its session still is.
So it is asked each time, and no verdict is kept: what a logout commits, the next request sees.
"""

from collections.abc import Iterator
from datetime import datetime
from functools import cache
from typing import Any, ClassVar, TypeVar
from uuid import UUID

from django.contrib.auth.models import AnonymousUser
from django.db import connection, models
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from sessions.errors import SessionEnded, TokenInvalid, TokenMissing
from sessions.models import Session
from sessions.policy import last_seen_every
from sessions.tokens import SessionToken, UserAccessToken
from users.models import App, User

M = TypeVar("M", bound=models.Model)


def get_live_session(token: SessionToken, *, now: datetime) -> Session:
    """The live session that ``token`` speaks for, with `app` and `user` loaded: one query.

    Raises: TokenInvalid (no such session, or not its audience or subject), SessionEnded.
    """
    session = _find_session(token.session_id)
    if session is None or not token.speaks_for(session):
        raise TokenInvalid
    refusal = session.refusal(now)
    if refusal is not None:
        raise SessionEnded(refusal)
    return session


def _find_session(session_id: UUID) -> Session | None:
    # By hand, not by `select_related`: building this statement anew on each request costs the ORM
    # more CPU than the database takes to answer it.
    with connection.cursor() as cursor:
        cursor.execute(_statement(), (session_id,))
        row = cursor.fetchone()
    if row is None:
        return None
    values = iter(row)
    session = _build(Session, values)
    session.app = _build(App, values)
    session.user = _build(User, values) if session.user_id is not None else None
    return session


@cache
def _statement() -> str:
    tables = (("s", Session), ("a", App), ("u", User))
    columns = ", ".join(f'{alias}."{field.column}"' for alias, model in tables for field in _fields(model))
    # Names of tables and columns only, and those from the models.
    return f"""
        SELECT {columns}
          FROM "{Session._meta.db_table}" s
          JOIN "{App._meta.db_table}" a ON a.id = s.app_id
     LEFT JOIN "{User._meta.db_table}" u ON u.id = s.user_id
         WHERE s.id = %s
    """  # noqa: S608


@cache
def _fields(model: type[models.Model]) -> tuple[models.Field, ...]:
    # Nobody needs the password's hash once a session is open; Django fetches it if asked for.
    return tuple(field for field in model._meta.concrete_fields if field.name != "password")


def _build(model: type[M], values: Iterator[Any]) -> M:
    fields = _fields(model)
    return model.from_db(connection.alias, [field.attname for field in fields], [next(values) for _ in fields])


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
        now = timezone.now()
        token = self.token_class.read(self.credentials(request)[0], allow_expired=self.allow_expired)
        session = get_live_session(token, now=now)
        self.check(request, session, token)
        if now - session.last_seen_at >= last_seen_every(session.app):
            Session.objects.filter(pk=session.pk, last_seen_at__lt=now).update(last_seen_at=now)
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
