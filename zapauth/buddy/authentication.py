from typing import cast

from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from sessions.authentication import SessionAuthentication
from sessions.errors import TokenInvalid, UserTokenRequired
from sessions.models import Session
from sessions.tokens.jwt import AnyAccessToken, SessionToken
from users.clients import shared_secret_of
from zapauth.buddy.errors import SignatureInvalid
from zapauth.buddy.signatures import is_signature, request_signature


class BuddyAuthentication(SessionAuthentication):
    """Accepts `Authorization: Buddy <token> [<signature>]` with a user-level or an app-level token, and `Bearer`."""

    schemes = ("buddy", "bearer")
    most_words = 2
    token_class = AnyAccessToken

    def check(self, request: Request, session: Session, token: SessionToken) -> None:
        if session.device_id is None:
            raise TokenInvalid  # In Buddy every session has a device. So this token is one of ZAP's.
        secret = shared_secret_of(session.app)
        if secret is None:
            return
        _, *signature = self.credentials(request)
        expected = request_signature(
            secret, method=request.method or "", app_id=session.app_id, path=request._request.path
        )
        if not signature or not is_signature(signature[0], expected):
            raise SignatureInvalid


class UserLevel(BasePermission):
    """Accepts user-level tokens only."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        if cast(Session, request.auth).is_app_level:
            raise UserTokenRequired
        return True
