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
    """`Authorization: Bearer <access token>` of the app that ZAP's clients belong to (RFC 6750)."""

    def check(self, request: Request, session: Session, token: SessionToken) -> None:
        if session.app.name != settings.ZAP_APP:
            raise TokenInvalid


class LogoutAuthentication(ZapAuthentication):
    """Takes an expired token, too, if it is genuine and its session is live, for its own id.

    A phone that was off for a day must be able to stop its pushes.
    """

    allow_expired = True

    def check(self, request: Request, session: Session, token: SessionToken) -> None:
        super().check(request, session, token)
        own = request.parser_context["kwargs"]["user_id"] == session.user_id
        if not own and token.is_expired(session.checked_at):
            raise TokenExpired


class OptionalAuthentication(ZapAuthentication):
    """A token need not be there; one that is must be good."""

    def authenticate(self, request: Request) -> tuple[User | AnonymousUser, Session] | Any:
        return super().authenticate(request) if "HTTP_AUTHORIZATION" in request.META else None
