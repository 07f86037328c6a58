from typing import cast

from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from sessions.authentication import SessionAuthentication
from sessions.errors import TokenInvalid, UserTokenRequired
from sessions.models import Session
from sessions.tokens.jwt import AnyAccessToken, SessionToken
from zapauth.buddy.errors import SignatureInvalid
from zapauth.buddy.signatures import is_signed


class BuddyAuthentication(SessionAuthentication):
    """Accepts `Authorization: Buddy <token> [<signature>]` with a user-level or an app-level token, and `Bearer`."""

    schemes = ("buddy", "bearer")
    most_words = 2
    token_class = AnyAccessToken

    def check(self, request: Request, session: Session, token: SessionToken) -> None:
        if session.device_id is None:
            raise TokenInvalid  # In Buddy every session has a device. So this token is one of ZAP's.
        if not session.app.sealed_secret:
            return
        _, *given = self.credentials(request)
        path = request._request.path
        if not given or not is_signed(session.app, given[0], method=request.method or "", path=path):
            raise SignatureInvalid


class UserLevel(BasePermission):
    """Accepts user-level tokens only."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        if cast(Session, request.auth).is_app_level:
            raise UserTokenRequired
        return True
