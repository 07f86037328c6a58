"""ZAP's routes: parse, call, answer."""

from typing import Any

from django.conf import settings
from django.http import HttpResponse
from rest_framework.request import Request

from sessions.login import log_in_with_refresh
from sessions.logout import log_out, log_out_user
from sessions.refresh import refresh
from users.clients import get_zap_app
from users.credentials import get_user_by_identity
from users.registration import register_user
from zapauth.dialect import DialectViewSet
from zapauth.zap import errors
from zapauth.zap.authentication import LogoutAuthentication, ZapAuthentication
from zapauth.zap.envelope import success, user_json
from zapauth.zap.serializers import (
    LoginInput,
    LogoutInput,
    RefreshInput,
    RegistrationInput,
    StaffRegistrationInput,
)


class ZapViewSet(DialectViewSet):
    failure = staticmethod(errors.failure)
    server_error = staticmethod(errors.server_error)

    def read(self, kind: type[Any]) -> dict[str, Any]:
        """The body, as that serializer takes it. Raises: ValidationError."""
        data = kind(data=self.request.data)
        data.is_valid(raise_exception=True)
        values: dict[str, Any] = data.validated_data
        return values


class UserViewSet(ZapViewSet):
    authentication_classes: Any = [ZapAuthentication]

    def create(self, request: Request) -> HttpResponse:
        is_staff = request.auth is not None and request.user.has_perm("users.add_user")
        given = self.read(StaffRegistrationInput if is_staff else RegistrationInput)
        user = register_user(by_staff=is_staff, **given)
        return success(user_json(user), status=201)

    def own(self, request: Request) -> HttpResponse:
        return success(user_json(self.user))


class LoginViewSet(ZapViewSet):
    def login(self, request: Request) -> HttpResponse:
        given = self.read(LoginInput)
        user = get_user_by_identity(given["identity"], given["password"])
        grant = log_in_with_refresh(user, app=get_zap_app(), device_token=given.get("device_token"), origin=self.origin)
        return success(user_json(user), token=grant.access_token, refreshToken=grant.refresh_token)

    def refresh(self, request: Request) -> HttpResponse:
        grant = refresh(self.read(RefreshInput)["refresh_token"], audience=settings.ZAP_APP, origin=self.origin)
        rotated = {"refreshToken": grant.refresh_token} if grant.refresh_token else {}
        return success({"token": grant.access_token} | rotated)


class LogoutViewSet(ZapViewSet):
    """The seed document's route, and its sibling for the web app, which has no device."""

    authentication_classes: Any = [LogoutAuthentication]

    def logout_device(self, request: Request, user_id: str) -> HttpResponse:
        return self._log_out(user_id, device_token=self.read(LogoutInput)["device_token"])

    def logout_web(self, request: Request, user_id: str) -> HttpResponse:
        return self._log_out(user_id, device_token=None)

    def _log_out(self, user_id: str, *, device_token: str | None) -> HttpResponse:
        if user_id == self.session.user_id:
            log_out(self.session, device_token=device_token, origin=self.origin)
        else:
            log_out_user(user_id, actor=self.user, device_token=device_token, origin=self.origin)
        return success("Logout Successfull")
