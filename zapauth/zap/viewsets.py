"""ZAP's routes: parse, call, answer."""

from typing import Any

from django.conf import settings
from django.http import HttpResponse
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from sessions.accounts import change_account, delete_user, register
from sessions.login import get_zap_app, log_in_with_refresh
from sessions.logout import log_out, log_out_user
from sessions.own_sessions import Scope, live_sessions_of, log_out_scope, log_out_session
from sessions.passwords import ask_for_reset_code, change_own_password, reset_password
from sessions.places import Place
from sessions.refresh import refresh
from sessions.verification import ask_for_email_code, ask_for_email_code_again, verify_email
from users.credentials import get_user_by_identity
from users.directory import find_users, get_user_to_change, get_user_to_read
from users.models import User
from users.permissions import Act, may
from zapauth.dialect import DialectViewSet, read_query, validate
from zapauth.zap import errors
from zapauth.zap.authentication import LogoutAuthentication, OptionalAuthentication, ZapAuthentication
from zapauth.zap.envelope import login_json, own_user_json, session_json, success, user_json
from zapauth.zap.serializers import (
    CodeAgainInput,
    CodeInput,
    ConfirmedInput,
    LoginInput,
    LogoutInput,
    PasswordChangeInput,
    PhoneChangeInput,
    RefreshInput,
    RegistrationInput,
    ResetInput,
    ResetRequestInput,
    ScopeInput,
    StaffRegistrationInput,
    StaffUserChangeInput,
    UserChangeInput,
    UserListInput,
    VerificationInput,
)


class ZapViewSet(DialectViewSet):
    failure = staticmethod(errors.failure)
    server_error = staticmethod(errors.server_error)

    def read(self, kind: type[Any]) -> dict[str, Any]:
        """The body, or the query of a GET, as that serializer takes it. Raises: ValidationError."""
        if self.request.method not in ("GET", "HEAD"):
            return validate(kind, self.request.data)
        # A documented request has `startDate&endDate`: what is empty in a query is left out.
        return validate(kind, {name: text for name, text in read_query(self.request._request).items() if text})


class UserViewSet(ZapViewSet):
    def get_authenticators(self) -> list[BaseAuthentication]:
        # Whoever registers has no token yet; staff, who do it for others, have one.
        return [OptionalAuthentication() if self.request.method == "POST" else ZapAuthentication()]

    def create(self, request: Request) -> HttpResponse:
        is_staff = may(request.user, Act.ADD_USER)
        given = self.read(StaffRegistrationInput if is_staff else RegistrationInput)
        user = register(ip=self.origin.ip, by_staff=is_staff, **given)
        return success(user_json(user), status=201)

    def list(self, request: Request) -> HttpResponse:
        query = self.read(UserListInput)
        users, count = find_users(actor=self.user, **query)
        page = {"bodyLimit": query["per_page"], "pageLimit": query["page"], "dataCount": count}
        return success({"userData": [user_json(user) for user in users], **page})

    def own(self, request: Request) -> HttpResponse:
        return success(own_user_json(self.user))

    def retrieve(self, request: Request, user_id: str) -> HttpResponse:
        return success(user_json(get_user_to_read(user_id, actor=self.user, act=Act.SEE_USER)))

    def update(self, request: Request, user_id: str) -> HttpResponse:
        user = get_user_to_change(user_id, actor=self.user, act=Act.CHANGE_USER)
        return self._change(user, StaffUserChangeInput if may(self.user, Act.SET_ROLE, user) else UserChangeInput)

    def update_phone(self, request: Request, user_id: str) -> HttpResponse:
        user = get_user_to_change(user_id, actor=self.user, act=Act.CHANGE_USER)
        return self._change(user, PhoneChangeInput)

    def destroy(self, request: Request, user_id: str) -> HttpResponse:
        delete_user(user_id, actor=self.user, current=self.session, origin=self.origin, **self.read(ConfirmedInput))
        return success("User deleted successfully")

    def _change(self, user: User, kind: type[Any]) -> HttpResponse:
        change_account(user, current=self.session, origin=self.origin, **self.read(kind))
        return success(user_json(user))


class LoginViewSet(ZapViewSet):
    def login(self, request: Request) -> HttpResponse:
        given = self.read(LoginInput)
        device_token = given.get("device_token")
        caller = Place.of(self.origin, device_token=device_token)
        user = get_user_by_identity(given["identity"], given["password"], caller=caller)
        grant = log_in_with_refresh(user, app=get_zap_app(), device_token=device_token, origin=self.origin)
        return success(login_json(user, grant))

    def refresh(self, request: Request) -> HttpResponse:
        grant = refresh(self.read(RefreshInput)["refresh_token"], audience=settings.ZAP_APP, origin=self.origin)
        rotated = {"refreshToken": grant.refresh_token} if grant.refresh_token else {}
        return success({"token": grant.access_token} | rotated)


class LogoutViewSet(ZapViewSet):
    """The seed document's route, and its sibling for the web app, which has no device."""

    authentication_classes: Any = [LogoutAuthentication]

    def logout_device(self, request: Request, user_id: str) -> HttpResponse:
        return self._log_out(user_id, **self.read(LogoutInput))

    def logout_web(self, request: Request, user_id: str) -> HttpResponse:
        return self._log_out(user_id)

    def _log_out(self, user_id: str, *, device_token: str | None = None, password: str | None = None) -> HttpResponse:
        if user_id == self.session.user_id:
            log_out(self.session, device_token=device_token, origin=self.origin)
        else:
            facts = {"device_token": device_token, "password": password}
            log_out_user(user_id, actor=self.user, current=self.session, origin=self.origin, **facts)
        return success("Logout Successfull")


class SessionViewSet(ZapViewSet):
    """Who is logged in where: not of ZAP's documentation, but in its form."""

    authentication_classes: Any = [ZapAuthentication]

    def list(self, request: Request, user_id: str) -> HttpResponse:
        sessions = live_sessions_of(user_id, actor=self.user)
        shown = [session_json(session, current=self.session) for session in sessions]
        return success({"sessionData": shown, "dataCount": len(shown)})

    def destroy(self, request: Request, user_id: str, session_id: str) -> HttpResponse:
        given = self.read(ConfirmedInput)
        log_out_session(user_id, session_id, current=self.session, actor=self.user, origin=self.origin, **given)
        return success("Session ended successfully")

    def logout(self, request: Request, user_id: str) -> HttpResponse:
        given = self.read(ScopeInput)
        scope = given.pop("scope")
        if scope is Scope.THIS and user_id != self.session.user_id:
            raise ValidationError({"scope": ["This session is not one of that user's."]})
        ended = log_out_scope(user_id, scope, current=self.session, actor=self.user, origin=self.origin, **given)
        return success({"ended": ended})


class PasswordViewSet(ZapViewSet):
    authentication_classes: Any = [ZapAuthentication]

    def change(self, request: Request) -> HttpResponse:
        given = self.read(PasswordChangeInput)
        change_own_password(**given, current=self.session, actor=self.user, origin=self.origin)
        return success("Password updated successfully")


class ForgottenPasswordViewSet(ZapViewSet):
    """For who can't log in: no token."""

    def ask(self, request: Request) -> HttpResponse:
        ask_for_reset_code(self.read(ResetRequestInput)["identity"], origin=self.origin)
        return success("Reset Email sent")

    def reset(self, request: Request) -> HttpResponse:
        given = self.read(ResetInput)
        reset_password(given["identity"], code=given["otp"], new_password=given["new_password"], origin=self.origin)
        return success("Password updated successfully")


class VerificationViewSet(ZapViewSet):
    """For whoever has registered or set another email: no token. Users of Buddy verify theirs here, too."""

    def ask(self, request: Request) -> HttpResponse:
        given = self.read(CodeInput)
        ask_for_email_code(email=given.get("email"), user_id=given["user_id"], origin=self.origin)
        return success("OTP Generated")

    def ask_again(self, request: Request) -> HttpResponse:
        given = self.read(CodeAgainInput)
        ask_for_email_code_again(email=given.get("email"), username=given.get("username"), origin=self.origin)
        return success("OTP ReSent")

    def verify(self, request: Request) -> HttpResponse:
        given = self.read(VerificationInput)
        verify_email(given["identity"], code=given["otp"], origin=self.origin)
        return success("OTP verified")
