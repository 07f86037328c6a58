from typing import Any

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from rest_framework.request import Request

from sessions.authentication import SessionAuthentication
from sessions.errors import TokenExpired, TokenInvalid
from sessions.models import Session
from sessions.tokens.jwt import SessionToken
from users.models import User


class ZapAuthentication(SessionAuthentication):
    """Accepts `Authorization: Bearer <access token>` (RFC 6750), if the session belongs to the app ZAP_APP."""

    def check(self, request: Request, session: Session, token: SessionToken) -> None:
        if session.app.name != settings.ZAP_APP:
            raise TokenInvalid


class LogoutAuthentication(ZapAuthentication):
    """Also accepts an expired token, for a logout of the token's own user while the session is live.

    So a phone that was off for a day can still stop its pushes.
    """

    allow_expired = True

    def check(self, request: Request, session: Session, token: SessionToken) -> None:
        super().check(request, session, token)
        own = request.parser_context["kwargs"]["user_id"] == session.user_id
        if not own and token.is_expired(session.checked_at):
            raise TokenExpired


class OptionalAuthentication(ZapAuthentication):
    """Accepts requests without a token. If there is a token, it must be valid."""

    def authenticate(self, request: Request) -> tuple[User | AnonymousUser, Session] | Any:
        return super().authenticate(request) if "HTTP_AUTHORIZATION" in request.META else None
