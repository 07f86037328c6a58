"""Buddy's routes: they parse requests, call the core and answer."""

from dataclasses import replace
from typing import Any, cast

from django.conf import settings
from django.http import HttpResponse
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from sessions.accounts import change_account, delete_user
from sessions.devices import change_device, log_out_of_device, open_device_session
from sessions.login.on_device import log_in_on_device, sign_up_on_device
from sessions.passwords import ask_for_reset_code, reset_password
from sessions.places import Place
from users.clients import get_app_by_key, shared_secret_of
from users.crash_reports import keep_crash_report
from users.credentials import get_user_by_appended_code
from users.directory import get_user_to_change, get_user_to_read, users_visible_to
from users.models import is_object_id
from users.permissions import Act
from zapauth.buddy import envelope, errors
from zapauth.buddy.answers import (
    DEVICE,
    DEVICE_GRANT,
    GRANT,
    LOGGED_IN_USER,
    PONG,
    USER,
    USER_LIST,
    LoggedIn,
    RegisteredDevice,
)
from zapauth.buddy.authentication import BuddyAuthentication, UserLevel
from zapauth.buddy.paging import PER_PAGE, PagingToken, page_at
from zapauth.buddy.serializers import (
    BuddyInput,
    ConfirmedInput,
    CrashReportInput,
    DeviceChangeInput,
    DeviceInput,
    LoginInput,
    RegistrationInput,
    ResetInput,
    ResetRequestInput,
    UserChangeInput,
    UserListInput,
)
from zapauth.buddy.signatures import server_signature
from zapauth.dialect import DialectViewSet, FormBody, JSONBody, OneShape, read_query


class LenientTypes(OneShape):
    """Parses a body without a content type as JSON. Two clients send none."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        return super().select_parser(request, parsers) or (None if request.content_type else parsers[0])


class AndroidsJSON(JSONBody):
    """Parses JSON in UTF-8 or Latin-1. The Android client sends Latin-1 without declaring it."""

    def text(self, body: bytes) -> str:
        try:
            return super().text(body)
        except UnicodeDecodeError:
            return body.decode("latin-1")


class BuddyViewSet(DialectViewSet):
    failure = staticmethod(errors.failure)
    server_error = staticmethod(errors.server_error)
    parser_classes: Any = [AndroidsJSON, FormBody]
    content_negotiation_class = LenientTypes

    def read(self, kind: type[BuddyInput]) -> dict[str, Any]:
        """Return the validated parameters of the call. Raises: ValidationError."""
        in_query = self.request.method in ("GET", "HEAD")
        return kind.read(read_query(self.request._request) if in_query else self.request.data)

    def success(self, result: Any, *, status: int = 200) -> HttpResponse:
        return envelope.success(self.request._request, result, status=status)


class ServiceViewSet(BuddyViewSet):
    def ping(self, request: Request) -> HttpResponse:
        return self.success(PONG)


class DeviceRegistrationViewSet(BuddyViewSet):
    def create(self, request: Request) -> HttpResponse:
        given = self.read(DeviceInput)
        app_key = given.pop("app_key")
        app = get_app_by_key(given.pop("app_id"), app_key, ip=self.origin.ip)
        grant = open_device_session(
            app,
            unique_id=given.pop("unique_id", None) or None,
            push_token=given.pop("push_token", None) or None,
            origin=self.origin,
            **given,
        )
        secret = shared_secret_of(app)
        proof = server_signature(secret, app_key=app_key) if secret else None
        return self.success(DEVICE_GRANT(RegisteredDevice(grant, proof, settings.SERVICE_ROOT)), status=201)


class DeviceViewSet(BuddyViewSet):
    authentication_classes: Any = [BuddyAuthentication]

    def change_current(self, request: Request) -> HttpResponse:
        return self.success(DEVICE(change_device(self.session, **self.read(DeviceChangeInput))))

    def report_crash(self, request: Request) -> HttpResponse:
        given = self.read(CrashReportInput)
        report = {name: given[name] for name in ("stack_trace", "message", "method_name") if name in given}
        keep_crash_report(cast(str, self.session.device_id), **report)
        return self.success(True, status=201)


class UserViewSet(BuddyViewSet):
    """Registration, login and password reset, with any token. The list of users needs a user-level token."""

    authentication_classes: Any = [BuddyAuthentication]

    def get_permissions(self) -> list[BasePermission]:
        return [UserLevel()] if self.request.method in ("GET", "HEAD") else []

    def create(self, request: Request) -> HttpResponse:
        user, grant = sign_up_on_device(current=self.session, origin=self.origin, **self.read(RegistrationInput))
        return self.success(LOGGED_IN_USER(LoggedIn(user, grant)))

    def list(self, request: Request) -> HttpResponse:
        given = self.read(UserListInput)
        token = PagingToken.read(given["paging_token"]) if "paging_token" in given else PagingToken("first", PER_PAGE)
        token = replace(token, limit=given.get("limit", token.limit))
        return self.success(USER_LIST(page_at(users_visible_to(self.user), token)))

    def login(self, request: Request) -> HttpResponse:
        given = self.read(LoginInput)
        caller = Place.of(self.origin, session=self.session)
        user = get_user_by_appended_code(given.pop("username"), given.pop("password"), caller=caller)
        grant = log_in_on_device(user, current=self.session, origin=self.origin, **given)
        return self.success(LOGGED_IN_USER(LoggedIn(user, grant)))

    def ask_for_reset_code(self, request: Request) -> HttpResponse:
        name = self.read(ResetRequestInput)["username"]
        ask_for_reset_code(name, by_name_only=True, current=self.session, origin=self.origin)
        return self.success(True)

    def reset_password(self, request: Request) -> HttpResponse:
        given = self.read(ResetInput)
        facts = {"code": given["reset_code"], "new_password": given["new_password"], "by_name_only": True}
        reset_password(given["username"], **facts, current=self.session, origin=self.origin)
        return self.success(True)


class OneUserViewSet(BuddyViewSet):
    """One user, by `me` or by id, and Buddy's logout. All calls need a user-level token."""

    authentication_classes: Any = [BuddyAuthentication]
    permission_classes: Any = [UserLevel]

    def retrieve(self, request: Request, user_id: str) -> HttpResponse:
        self.read(BuddyInput)
        user = get_user_to_read(self._id(user_id), actor=self.user, act=Act.SEE_USER)
        return self.success(USER(user))

    def update(self, request: Request, user_id: str) -> HttpResponse:
        user = get_user_to_change(self._id(user_id), actor=self.user, act=Act.CHANGE_USER)
        change_account(user, current=self.session, origin=self.origin, **self.read(UserChangeInput))
        return self.success(True)

    def destroy(self, request: Request, user_id: str) -> HttpResponse:
        password = self.read(ConfirmedInput).get("password")
        user_id = self._id(user_id)
        delete_user(user_id, actor=self.user, current=self.session, password=password, origin=self.origin)
        return self.success(True)

    def logout(self, request: Request) -> HttpResponse:
        self.read(BuddyInput)
        return self.success(GRANT(log_out_of_device(self.session, origin=self.origin)))

    def _id(self, text: str) -> str:
        """Return the id in the path. Raises: IdInvalid."""
        if text == "me":
            return str(self.user.pk)
        if not is_object_id(text):
            raise errors.IdInvalid
        return text
