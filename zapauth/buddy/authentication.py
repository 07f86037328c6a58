from typing import cast

from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from sessions.authentication import SessionAuthentication
from sessions.errors import TokenInvalid, UserTokenRequired
from sessions.models import Session
from sessions.tokens.jwt import AnyAccessToken, SessionToken
from users.clients import previous_secret_of, shared_secret_of
from users.models import App
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
        _, *given = self.credentials(request)
        signed = {"method": request.method or "", "app_id": session.app_id, "path": request._request.path}
        if not given or not (
            is_signature(given[0], request_signature(secret, **signed))
            or self._is_by_previous_secret(session.app, given[0], signed)
        ):
            raise SignatureInvalid

    def _is_by_previous_secret(self, app: App, signature: str, signed: dict[str, str]) -> bool:
        previous = previous_secret_of(app)
        return previous is not None and is_signature(signature, request_signature(previous, **signed))


class UserLevel(BasePermission):
    """Accepts user-level tokens only."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        if cast(Session, request.auth).is_app_level:
            raise UserTokenRequired
        return True
