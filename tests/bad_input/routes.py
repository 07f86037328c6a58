"""Every route of both dialects with a good call. Add an entry here for a new route."""

from collections.abc import Iterable
from typing import Any

import pyotp
import pytest

from tests.bad_input.calls import Route
from tests.bad_input.dialects import BUDDY, ZAP, Dialect
from tests.phones import PASSWORD, new_name
from users.clock import database_now
from users.models import User
from users.second_factor.enabling import begin

NEW_PASSWORD = "another-horse-2"
_ZAP = "zapauth.zap.viewsets"
_BUDDY = "zapauth.buddy.viewsets"


def _zap_person(phone: Any) -> dict[str, Any]:
    new = new_name()
    given = {"username": new, "email": f"{new}@example.org", "phoneNumber": "+4915112345678", "name": "Ann Lee"}
    return given | {"password": PASSWORD, "roleId": 1, "referralCode": "friend"}


def _zap_change(phone: Any) -> dict[str, Any]:
    given = _zap_person(phone)
    return {name: given[name] for name in ("username", "email", "phoneNumber", "name", "roleId", "password")}


def _zap_login(phone: Any) -> dict[str, Any]:
    given = {"identity": phone.username, "password": PASSWORD}
    return given | {"deviceToken": "x", "isApp": "true", "twoFaToken": "1"}


def _zap_password(phone: Any) -> dict[str, Any]:
    given = {"userId": phone.user_id, "email": f"{phone.username}@example.org"}
    return given | {"oldPassword": PASSWORD, "newPassword": NEW_PASSWORD}


def _zap_factor(phone: Any) -> dict[str, Any]:
    """Make a secret for the phone's user and return the body that confirms it."""
    user = User.objects.get(pk=phone.user_id)
    code = pyotp.TOTP(begin(user).base32).at(database_now())
    return {"token": code, "endOthers": False}


def _description(phone: Any) -> dict[str, Any]:
    versions = {"model": "Pixel", "osVersion": "15", "appVersion": "1.0", "connectionType": "wifi"}
    return versions | {"isProduction": True, "tag": "t", "pushToken": "mine", "location": "52.5, 13.4"}


def _device(phone: Any) -> dict[str, Any]:
    app = {"appId": phone.app_id, "appKey": phone.app_key}
    return app | {"platform": "Android", "uniqueId": new_name()} | _description(phone)


def _profile(phone: Any) -> dict[str, Any]:
    new = new_name()
    names = {"username": new, "firstName": "Ann", "lastName": "Lee", "email": f"{new}@example.org"}
    return names | {"gender": "female", "dateOfBirth": "/Date(636595200000)/", "tag": "t", "location": "1,2"}


def _buddy_change(phone: Any) -> dict[str, Any]:
    return _profile(phone) | {"password": PASSWORD}


def _confirmed(phone: Any) -> dict[str, Any]:
    return {"password": PASSWORD}


# In these fields of Buddy, a value that is neither text nor number counts as left out.
DESCRIPTIVE = {
    "model",
    "osVersion",
    "appVersion",
    "connectionType",
    "tag",
    "firstName",
    "lastName",
    "message",
    "methodName",
}
# Buddy cuts these if they are too long.
CUT = {"stackTrace", "message", "methodName"}
_DESCRIPTION = ("model", "osVersion", "appVersion", "connectionType", "tag", "pushToken", "DeviceToken")

ROUTES = [
    Route(
        *(ZAP, "register", "POST", "/v1/users", _zap_person),
        required=("username", "email", "password"),
        optional=("phoneNumber", "name"),
        optional_token=True,
        within=f"{_ZAP}.register",
    ),
    Route(
        *(ZAP, "login", "POST", "/v1/login", _zap_login),
        required=("identity", "password"),
        optional=("deviceToken", "twoFaToken"),
        within=f"{_ZAP}.log_in_with_refresh",
    ),
    Route(
        *(ZAP, "login by email", "POST", "/v1/login"),
        lambda phone: {"email": f"{phone.username}@example.org", "password": PASSWORD},
        required=("email", "password"),
        within=f"{_ZAP}.get_user_by_identity",
    ),
    Route(
        *(ZAP, "enable 2fa", "POST", "/v1/users/{own}/enable2fa", _confirmed),
        optional=("password",),
        token="access_token",
        within=f"{_ZAP}.begin_factor",
    ),
    Route(
        *(ZAP, "verify 2fa", "POST", "/v1/users/{own}/verify2FA", _zap_factor),
        required=("token",),
        optional=("endOthers",),
        token="access_token",
        within=f"{_ZAP}.confirm_factor",
    ),
    Route(
        *(ZAP, "disable 2fa", "POST", "/v1/users/{own}/disable2fa"),
        lambda _: {"password": PASSWORD, "endOthers": True},
        required=("password",),
        optional=("endOthers",),
        token="access_token",
        within=f"{_ZAP}.disable_factor",
    ),
    Route(
        *(ZAP, "refresh", "POST", "/v1/refresh"),
        lambda phone: {"refreshToken": phone.refresh_token},
        required=("refreshToken",),
        within=f"{_ZAP}.refresh",
    ),
    Route(
        *(ZAP, "own user", "GET", "/v1/users/token"),
        token="access_token",
        within="sessions.authentication.get_live_session",
    ),
    Route(
        *(ZAP, "security record", "GET", "/v1/notification/security"),
        token="access_token",
        within=f"{_ZAP}.numbered_page",
    ),
    Route(
        *(ZAP, "users", "GET", "/v1/users"),
        token="access_token",
        permission="users.view_user",
        within=f"{_ZAP}.find_users",
    ),
    Route(
        *(ZAP, "user", "GET", "/v1/users/{own}"),
        token="access_token",
        for_others="users.view_user",
        within=f"{_ZAP}.get_user_to_read",
    ),
    Route(
        *(ZAP, "change", "PUT", "/v1/users/{own}", _zap_change),
        optional=("username", "email", "phoneNumber", "name", "password"),
        token="access_token",
        for_others="users.change_user",
        within=f"{_ZAP}.change_account",
    ),
    Route(
        *(ZAP, "change phone", "PUT", "/v1/users/updatePhone/{own}"),
        lambda _: {"phoneNumber": "+4915112345678", "password": PASSWORD},
        required=("phoneNumber",),
        optional=("password",),
        token="access_token",
        for_others="users.change_user",
        within=f"{_ZAP}.change_account",
    ),
    Route(
        *(ZAP, "delete", "DELETE", "/v1/users/{own}", _confirmed),
        optional=("password",),
        token="access_token",
        for_others="users.delete_user",
        within="sessions.accounts.forget_code",
    ),
    Route(
        *(ZAP, "logout", "PUT", "/v1/users/logout/{own}"),
        lambda _: {"deviceToken": "mine"},
        required=("deviceToken",),
        optional=("password",),
        token="access_token",
        takes_expired=True,
        for_others="user_sessions.end_session",
        within=f"{_ZAP}.log_out",
    ),
    Route(
        *(ZAP, "web logout", "GET", "/v1/users/logout/{own}"),
        token="access_token",
        takes_expired=True,
        head=False,  # another user's call must not log anybody out
        for_others="user_sessions.end_session",
        within=f"{_ZAP}.log_out",
    ),
    Route(
        *(ZAP, "sessions", "GET", "/v1/users/{own}/sessions"),
        token="access_token",
        for_others="user_sessions.view_session",
        within=f"{_ZAP}.live_sessions_of",
    ),
    Route(
        *(ZAP, "end session", "DELETE", "/v1/users/{own}/sessions/{session}", _confirmed),
        optional=("password",),
        token="access_token",
        for_others="user_sessions.end_session",
        within=f"{_ZAP}.log_out_session",
    ),
    Route(
        *(ZAP, "log out sessions", "POST", "/v1/users/{own}/sessions/logout"),
        lambda _: {"scope": "others", "password": PASSWORD},
        required=("scope",),
        optional=("password",),
        token="access_token",
        for_others="user_sessions.end_session",
        within=f"{_ZAP}.log_out_scope",
    ),
    Route(
        *(ZAP, "change password", "POST", "/v1/changePassword", _zap_password),
        required=("userId", "email", "oldPassword", "newPassword"),
        token="access_token",
        within="sessions.passwords.forget_code",
    ),
    Route(
        *(ZAP, "ask for a code", "POST", "/v1/otp/forgotPassword"),
        lambda phone: {"identity": phone.username},
        required=("identity",),
        within=f"{_ZAP}.ask_for_reset_code",
    ),
    Route(
        *(ZAP, "reset", "POST", "/v1/forgotPassword"),
        lambda phone: {"identity": phone.username, "otp": phone.code, "newPassword": NEW_PASSWORD},
        required=("identity", "otp", "newPassword"),
        within=f"{_ZAP}.reset_password",
    ),
    Route(
        *(ZAP, "ask for an email code", "POST", "/v1/otp"),
        lambda phone: {"email": f"{phone.username}@example.org", "userId": phone.user_id},
        required=("email", "userId"),
        within=f"{_ZAP}.ask_for_email_code",
    ),
    Route(
        *(ZAP, "ask for an email code again", "POST", "/v1/otp/resend"),
        lambda phone: {"email": f"{phone.username}@example.org"},
        required=("email",),
        within=f"{_ZAP}.ask_for_email_code_again",
    ),
    Route(
        *(ZAP, "verify", "POST", "/v1/otp/verify"),
        lambda phone: {"identity": phone.username, "otp": phone.email_code},
        required=("identity", "otp"),
        within=f"{_ZAP}.verify_email",
    ),
    # -------------------------------------------------------------------------------------------
    Route(
        *(BUDDY, "register", "POST", "/devices", _device),
        required=("appId", "appKey", "platform"),
        optional=("uniqueId", *_DESCRIPTION),
        within=f"{_BUDDY}.open_device_session",
    ),
    Route(
        *(BUDDY, "change device", "PATCH", "/devices/current", _description),
        optional=_DESCRIPTION,
        token="access_token",
        within=f"{_BUDDY}.change_device",
    ),
    Route(
        *(BUDDY, "report a crash", "POST", "/devices/current/crashreports"),
        lambda _: {"stackTrace": "at Main()", "message": "null", "methodName": "Main", "location": "1,2"},
        required=("stackTrace",),
        optional=("message", "methodName"),
        token="app_token",
        within=f"{_BUDDY}.keep_crash_report",
    ),
    Route(
        *(BUDDY, "sign up", "POST", "/users"),
        _buddy_change,
        required=("username", "password"),
        optional=("firstName", "lastName", "tag"),
        token="app_token",
        within=f"{_BUDDY}.sign_up_on_device",
    ),
    Route(
        *(BUDDY, "login", "POST", "/users/login"),
        lambda phone: {"username": phone.username, "password": PASSWORD, "location": "1,2"},
        required=("username", "password"),
        token="app_token",
        within=f"{_BUDDY}.log_in_on_device",
    ),
    Route(
        *(BUDDY, "users", "GET", "/users"),
        token="access_token",
        within=f"{_BUDDY}.users_visible_to",
    ),
    Route(
        *(BUDDY, "me", "GET", "/users/me"),
        token="access_token",
        for_others="users.view_user",
        within="sessions.authentication.get_live_session",
    ),
    Route(
        *(BUDDY, "change", "PATCH", "/users/me", _buddy_change),
        optional=("username", "firstName", "lastName", "tag"),
        token="access_token",
        for_others="users.change_user",
        within=f"{_BUDDY}.change_account",
    ),
    Route(
        *(BUDDY, "delete", "DELETE", "/users/me"),
        lambda _: {"location": "1,2", "password": PASSWORD},
        token="access_token",
        for_others="users.delete_user",
        within="sessions.accounts.forget_code",
    ),
    Route(
        *(BUDDY, "logout", "POST", "/users/me/logout"),
        lambda _: {"location": "1,2"},
        token="access_token",
        within=f"{_BUDDY}.log_out_of_device",
    ),
    Route(
        *(BUDDY, "ask for a code", "POST", "/users/password"),
        lambda phone: {"userName": phone.username, "subject": "Hello", "body": "World"},
        required=("userName",),
        token="app_token",
        within=f"{_BUDDY}.ask_for_reset_code",
    ),
    Route(
        *(BUDDY, "reset", "PATCH", "/users/password"),
        lambda phone: {"userName": phone.username, "resetCode": phone.code, "newPassword": NEW_PASSWORD},
        required=("userName", "resetCode", "newPassword"),
        token="app_token",
        within=f"{_BUDDY}.reset_password",
    ),
    Route(BUDDY, "ping", "GET", "/service/ping", within="zapauth.buddy.envelope.success"),
]

WITH_BODY = [route for route in ROUTES if route.body]
WITHOUT_BODY = [route for route in ROUTES if not route.body]
WITH_TOKEN = [route for route in ROUTES if route.token]
TAKING_TOKENS = [route for route in ROUTES if route.token or route.optional_token]
IGNORING_TOKENS = [route for route in ROUTES if route not in TAKING_TOKENS]
# One route of each kind, for tests that do not depend on the route.
SOME = [route for route in ROUTES if route.name in ("register", "login", "change", "logout", "users")]
BY_ID = [route for route in ROUTES if route.for_others]
# The methods of each path, for `me` and for the caller's own id.
ALLOWED: dict[tuple[Dialect, str], set[str]] = {}
for _route in ROUTES:
    for _path in (_route.path, _route.path_by_id):
        ALLOWED.setdefault((_route.dialect, _path), set()).update(_route.methods)


def each(routes: Iterable[Route]) -> pytest.MarkDecorator:
    """Run the test over these routes."""
    return pytest.mark.parametrize("route", list(routes), ids=str)


def route_named(dialect: Dialect, name: str) -> Route:
    return next(route for route in ROUTES if (route.dialect, route.name) == (dialect, name))
