"""ZAP's routes: they parse requests, call the core and answer."""

from typing import Any

from django.conf import settings
from django.http import HttpResponse
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from sessions.accounts import change_account, delete_user, register
from sessions.factor import begin_factor, confirm_factor, disable_factor
from sessions.login.with_refresh import log_in_with_refresh
from sessions.logout import log_out, log_out_user
from sessions.passwords import ask_for_reset_code, change_own_password, reset_password
from sessions.places import Place
from sessions.refresh import refresh
from sessions.sessions_of_user import Scope, live_sessions_of, log_out_scope, log_out_session
from sessions.verification import ask_for_email_code, ask_for_email_code_again, verify_email
from users.credentials import get_user_by_identity
from users.directory import find_users, get_user_to_change, get_user_to_read
from users.models import User
from users.permissions import Act, may
from users.record.reading import entries_visible_to, numbered_page
from zapauth.dialect import DialectViewSet, read_query, validate
from zapauth.zap import answers, errors
from zapauth.zap.answers import (
    ACTIVITY_LIST,
    ENDED,
    FACTOR_SECRET,
    LOGIN,
    OWN_USER,
    SESSION_LIST,
    TOKENS,
    USER,
    USER_LIST,
    ActivityPage,
    ListedSession,
    LoggedIn,
    UserPage,
)
from zapauth.zap.authentication import LogoutAuthentication, OptionalAuthentication, ZapAuthentication
from zapauth.zap.envelope import success
from zapauth.zap.serializers import (
    ActivityInput,
    CodeAgainInput,
    CodeInput,
    ConfirmedInput,
    FactorDisablingInput,
    FactorVerificationInput,
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
        """Return the values of the body, or a GET's query, validated by that serializer. Raises: ValidationError."""
        if self.request.method not in ("GET", "HEAD"):
            return validate(kind, self.request.data)
        # ZAP's documentation has a request with `startDate&endDate`. So an empty parameter counts as left out.
        return validate(kind, {name: text for name, text in read_query(self.request._request).items() if text})


class UserViewSet(ZapViewSet):
    def get_authenticators(self) -> list[BaseAuthentication]:
        # A new user has no token yet. Staff who register other users have one.
        return [OptionalAuthentication() if self.request.method == "POST" else ZapAuthentication()]

    def create(self, request: Request) -> HttpResponse:
        is_staff = may(request.user, Act.ADD_USER)
        given = self.read(StaffRegistrationInput if is_staff else RegistrationInput)
        user = register(origin=self.origin, staff=self.user if is_staff else None, **given)
        return success(USER(user), status=201)

    def list(self, request: Request) -> HttpResponse:
        query = self.read(UserListInput)
        users, count = find_users(actor=self.user, **query)
        return success(USER_LIST(UserPage(users, query["per_page"], query["page"], count)))

    def own(self, request: Request) -> HttpResponse:
        return success(OWN_USER(self.user))

    def retrieve(self, request: Request, user_id: str) -> HttpResponse:
        return success(USER(get_user_to_read(user_id, actor=self.user, act=Act.SEE_USER)))

    def update(self, request: Request, user_id: str) -> HttpResponse:
        user = get_user_to_change(user_id, actor=self.user, act=Act.CHANGE_USER)
        return self._change(user, StaffUserChangeInput if may(self.user, Act.SET_ROLE, user) else UserChangeInput)

    def update_phone(self, request: Request, user_id: str) -> HttpResponse:
        user = get_user_to_change(user_id, actor=self.user, act=Act.CHANGE_USER)
        return self._change(user, PhoneChangeInput)

    def destroy(self, request: Request, user_id: str) -> HttpResponse:
        delete_user(user_id, actor=self.user, current=self.session, origin=self.origin, **self.read(ConfirmedInput))
        return success(answers.USER_DELETED)

    def _change(self, user: User, kind: type[Any]) -> HttpResponse:
        change_account(user, current=self.session, origin=self.origin, **self.read(kind))
        return success(USER(user))


class LoginViewSet(ZapViewSet):
    def login(self, request: Request) -> HttpResponse:
        given = self.read(LoginInput)
        device_token = given.get("device_token")
        caller = Place.of(self.origin, device_token=device_token)
        user = get_user_by_identity(given["identity"], given["password"], code=given["code"], caller=caller)
        grant = log_in_with_refresh(user, device_token=device_token, origin=self.origin)
        return success(LOGIN(LoggedIn(user, grant)))

    def refresh(self, request: Request) -> HttpResponse:
        grant = refresh(self.read(RefreshInput)["refresh_token"], audience=settings.ZAP_APP, origin=self.origin)
        return success(TOKENS(grant))


class LogoutViewSet(ZapViewSet):
    """ZAP's logout: PUT for phones, GET for the web app, which has no device token."""

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
        return success(answers.LOGGED_OUT)


class SessionViewSet(ZapViewSet):
    """The sessions of a user. These routes are not in ZAP's documentation."""

    authentication_classes: Any = [ZapAuthentication]

    def list(self, request: Request, user_id: str) -> HttpResponse:
        sessions = live_sessions_of(user_id, actor=self.user)
        return success(SESSION_LIST([ListedSession(session, self.session) for session in sessions]))

    def destroy(self, request: Request, user_id: str, session_id: str) -> HttpResponse:
        given = self.read(ConfirmedInput)
        log_out_session(user_id, session_id, current=self.session, actor=self.user, origin=self.origin, **given)
        return success(answers.SESSION_ENDED)

    def logout(self, request: Request, user_id: str) -> HttpResponse:
        given = self.read(ScopeInput)
        scope = given.pop("scope")
        if scope is Scope.THIS and user_id != self.session.user_id:
            raise ValidationError({"scope": ["This session is not one of that user's."]})
        ended = log_out_scope(user_id, scope, current=self.session, actor=self.user, origin=self.origin, **given)
        return success(ENDED(ended))


class ActivityViewSet(ZapViewSet):
    """The security record."""

    authentication_classes: Any = [ZapAuthentication]

    def list(self, request: Request) -> HttpResponse:
        query = self.read(ActivityInput)
        entries, count = numbered_page(entries_visible_to(self.user), **query)
        to_staff = may(self.user, Act.SEE_RECORD)
        return success(ACTIVITY_LIST(ActivityPage(entries, query["per_page"], query["page"], count, to_staff)))


class PasswordViewSet(ZapViewSet):
    authentication_classes: Any = [ZapAuthentication]

    def change(self, request: Request) -> HttpResponse:
        given = self.read(PasswordChangeInput)
        change_own_password(**given, current=self.session, actor=self.user, origin=self.origin)
        return success(answers.PASSWORD_CHANGED)


class SecondFactorViewSet(ZapViewSet):
    """The second factor of the caller."""

    authentication_classes: Any = [ZapAuthentication]

    def enable(self, request: Request, user_id: str) -> HttpResponse:
        given = self.read(ConfirmedInput)
        secret = begin_factor(user_id, actor=self.user, current=self.session, origin=self.origin, **given)
        return success(FACTOR_SECRET(secret))

    def verify(self, request: Request, user_id: str) -> HttpResponse:
        given = self.read(FactorVerificationInput)
        codes = confirm_factor(user_id, actor=self.user, current=self.session, origin=self.origin, **given)
        return success(answers.FACTOR_VERIFIED, recoveryCodes=codes)

    def disable(self, request: Request, user_id: str) -> HttpResponse:
        given = self.read(FactorDisablingInput)
        disable_factor(user_id, actor=self.user, current=self.session, origin=self.origin, **given)
        return success(answers.FACTOR_DISABLED)


class ForgottenPasswordViewSet(ZapViewSet):
    """Password reset by a code. No token is needed."""

    def ask(self, request: Request) -> HttpResponse:
        ask_for_reset_code(self.read(ResetRequestInput)["identity"], origin=self.origin)
        return success(answers.RESET_CODE_SENT)

    def reset(self, request: Request) -> HttpResponse:
        given = self.read(ResetInput)
        reset_password(given["identity"], code=given["otp"], new_password=given["new_password"], origin=self.origin)
        return success(answers.PASSWORD_CHANGED)


class VerificationViewSet(ZapViewSet):
    """Verification of an email by a code. No token is needed. Users of Buddy use these routes, too."""

    def ask(self, request: Request) -> HttpResponse:
        given = self.read(CodeInput)
        ask_for_email_code(email=given.get("email"), user_id=given["user_id"], origin=self.origin)
        return success(answers.EMAIL_CODE_SENT)

    def ask_again(self, request: Request) -> HttpResponse:
        given = self.read(CodeAgainInput)
        ask_for_email_code_again(email=given.get("email"), username=given.get("username"), origin=self.origin)
        return success(answers.EMAIL_CODE_SENT_AGAIN)

    def verify(self, request: Request) -> HttpResponse:
        given = self.read(VerificationInput)
        verify_email(given["identity"], code=given["otp"], origin=self.origin)
        return success(answers.EMAIL_VERIFIED)
