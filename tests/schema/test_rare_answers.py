"""Rare answers, which the random requests don't get. They must match the description, too."""

import pytest
from django.db import OperationalError
from jsonschema import Draft202012Validator

from sessions.devices import open_device_session
from sessions.models import Session
from tests.phones import PASSWORD, BuddyPhone, InProcess, ZapPhone
from tests.schema.document import document
from tests.second_factor import Authenticator, log_in_with
from users.models import App, User
from users.origin import Origin

NEW_PASSWORD = "battery-staple-2"


def conforms(reply, method, path):
    """Check that headers, media type and body of the answer match the description of its status."""
    response = document()["paths"][path][method.lower()]["responses"][str(reply.status)]
    if "$ref" in response:
        response = document()["components"]["responses"][response["$ref"].rpartition("/")[2]]
    assert {name.lower() for name in response["headers"]} <= reply.headers.keys()
    schema = response["content"][reply.headers["content-type"]]["schema"]
    return Draft202012Validator(schema | {"components": document()["components"]}).is_valid(reply.json)


@pytest.fixture
def zap(db):
    return ZapPhone(InProcess()).sign_up()


@pytest.fixture
def buddy(db):
    return BuddyPhone(InProcess()).sign_up()


# Operations that can answer 429, each with a call that is counted.
ATTEMPTS = {
    "POST /v1/login": lambda phone: {"identity": phone.username, "password": PASSWORD},
    "POST /v1/otp/forgotPassword": lambda phone: {"identity": phone.username},
    "POST /v1/forgotPassword": lambda _: {"identity": "x", "otp": "1", "newPassword": NEW_PASSWORD},
    "POST /v1/changePassword": lambda phone: {
        "userId": phone.user_id,
        "email": f"{phone.username}@example.org",
        "oldPassword": PASSWORD,
        "newPassword": NEW_PASSWORD,
    },
    "POST /v1/otp": lambda phone: {"email": "ann@example.org", "userId": phone.user_id},
    "POST /v1/otp/resend": lambda phone: {"username": phone.username},
    "POST /v1/otp/verify": lambda phone: {"identity": phone.username, "otp": "1"},
    "PUT /v1/users/{id}": lambda _: {"username": "another", "password": PASSWORD},
    "PUT /v1/users/updatePhone/{id}": lambda _: {"phoneNumber": "+49", "password": PASSWORD},
    "PUT /v1/users/logout/{id}": lambda _: {"deviceToken": "x", "password": PASSWORD},
    "DELETE /v1/users/{id}": lambda _: {"password": PASSWORD},
    "POST /v1/users/{id}/sessions/logout": lambda _: {"scope": "others", "password": PASSWORD},
    "DELETE /v1/users/{id}/sessions/{sid}": lambda _: {"password": PASSWORD},
    "POST /v1/users/{id}/enable2fa": lambda _: {"password": PASSWORD},
    "POST /v1/users/{id}/verify2FA": lambda _: {"token": "123456"},
    "POST /v1/users/{id}/disable2fa": lambda _: {"password": PASSWORD},
    "PATCH /users/{id}": lambda _: {"username": "another", "password": PASSWORD},
    "PATCH /users/me": lambda _: {"username": "another", "password": PASSWORD},
    "DELETE /users/{id}": lambda _: {"password": PASSWORD},
    "DELETE /users/me": lambda _: {"password": PASSWORD},
    "POST /v1/users": lambda _: {"username": "new", "email": "new@example.org", "password": PASSWORD},
    "POST /users": lambda _: {"username": "new", "password": PASSWORD},
    "POST /devices": lambda phone: {"appId": phone.app_id, "appKey": phone.app_key, "platform": "Test"},
    "POST /devices/current/crashreports": lambda _: {"stackTrace": "at Main()"},
    "POST /users/login": lambda phone: {"username": phone.username, "password": PASSWORD},
    "POST /users/password": lambda phone: {"userName": phone.username},
    "PATCH /users/password": lambda _: {"userName": "x", "resetCode": "1", "newPassword": NEW_PASSWORD},
}


def test_the_operations_that_count_attempts_are_those_that_have_a_429():
    limited = {
        f"{method.upper()} {path}"
        for path, methods in document()["paths"].items()
        for method, operation in methods.items()
        if "429" in operation["responses"]
    }
    assert limited == ATTEMPTS.keys()


@pytest.fixture
def ask_late(zap, buddy):
    """Make a call that checks the password: the login is too long ago, and the call is about another user.

    The calls about a second factor are about one's own.
    """

    def ask(operation, body):
        method, path = operation.split()
        phone, other = (zap, buddy) if path.startswith("/v1/") else (buddy, zap)
        User.objects.filter(pk=phone.user_id).update(is_staff=True, is_superuser=True)
        Session.objects.update(authenticated_at=None)
        target = phone if "2fa" in path.lower() else other
        ids = {"id": target.user_id, "sid": Session.objects.get(user=other.user_id).pk}
        token = None if operation == "POST /v1/users" else phone.access_token  # staff may register any number of users
        reply = phone.call(method, path.format(**ids), body(phone), token=token)
        assert conforms(reply, method, path)
        return reply

    return ask


@pytest.mark.parametrize("operation", ATTEMPTS)
def test_too_many_attempts_are_answered_as_documented(operation, ask_late, settings):
    settings.THROTTLE_RATES = dict.fromkeys(settings.THROTTLE_RATES, (0, 60))
    assert ask_late(operation, ATTEMPTS[operation]).status == 429


CONFIRMED = [operation for operation in ATTEMPTS if "/users/" in operation and "word" not in operation]
CONFIRMED = [each for each in CONFIRMED if not each.endswith(("verify2FA", "disable2fa"))]


@pytest.mark.parametrize("operation", [each for each in CONFIRMED if not each.endswith("/login")])
def test_a_missing_and_a_wrong_password_are_answered_as_documented(operation, ask_late):
    missing = ask_late(operation, lambda phone: ATTEMPTS[operation](phone) | {"password": None})
    wrong = ask_late(operation, lambda phone: ATTEMPTS[operation](phone) | {"password": "wrong"})
    assert (missing.status, wrong.status) == ((403, 422) if "/v1/" in operation else (403, 403))


def test_the_answers_about_a_second_factor_are_as_documented(zap):
    path = f"/v1/users/{zap.user_id}"
    for action, body, status in (
        ("enable2fa", None, 200),
        ("verify2FA", {"token": "x"}, 422),
        ("disable2fa", {"password": "wrong"}, 422),
        ("disable2fa", {"password": PASSWORD}, 200),
    ):
        assert zap.ask("POST", f"{path}/{action}", body).status == status
        assert conforms(zap.last, "POST", f"/v1/users/{{id}}/{action}")
    app = Authenticator(zap.ask("POST", f"{path}/enable2fa").json["data"]["base32Secret"])
    assert zap.ask("POST", f"{path}/verify2FA", {"token": app.code(step=-1)}).status == 200
    assert conforms(zap.last, "POST", "/v1/users/{id}/verify2FA")
    for action, body in (("enable2fa", None), ("verify2FA", {"token": app.code()})):
        assert zap.ask("POST", f"{path}/{action}", body).status == 422
        assert conforms(zap.last, "POST", f"/v1/users/{{id}}/{action}")
    for code, status in ((None, 401), (app.wrong_code(), 401), (app.code(), 200)):
        assert log_in_with(zap, PASSWORD, code).status == status
        assert conforms(zap.last, "POST", "/v1/login")


def test_a_web_logout_of_another_user_long_after_the_log_in_is_answered_as_documented(ask_late):
    assert ask_late("GET /v1/users/logout/{id}", lambda _: None).status == 403


def test_a_phone_number_for_a_code_is_answered_as_documented(ask_late):
    for path, more in (("/v1/otp", {"userId": "x"}), ("/v1/otp/resend", {})):
        assert ask_late(f"POST {path}", lambda _, more=more: {"phoneNumber": "+49", **more}).status == 422


def test_a_closed_registration_is_answered_as_documented(zap, buddy, settings):
    settings.REGISTRATION_OPEN = False
    body = {"username": "new", "password": PASSWORD, "email": "new@example.org"}
    for reply, path in (
        (zap.call("POST", "/v1/users", body), "/v1/users"),
        (buddy.ask("POST", "/users", body), "/users"),
    ):
        assert reply.status == 403
        assert conforms(reply, "POST", path)


def test_a_disabled_account_and_an_app_switched_off_are_answered_as_documented(zap, buddy):
    User.objects.update(is_active=False)
    assert zap.log_in(zap.username).json["code"] == "account_disabled"
    assert conforms(zap.last, "POST", "/v1/login")
    app = App.objects.get(pk=buddy.app_id)
    device = open_device_session(app, unique_id=None, push_token=None, platform="Test", origin=Origin())
    reply = buddy.call(
        "POST", "/users/login", {"username": buddy.username, "password": PASSWORD}, token=device.access_token
    )
    assert reply.json["error"] == "AuthUserAccountDisabled"
    assert conforms(reply, "POST", "/users/login")
    User.objects.update(is_active=True)
    App.objects.update(is_active=False)
    assert zap.log_in(zap.username).json["code"] == "app_inactive"
    assert conforms(zap.last, "POST", "/v1/login")


def test_a_bug_is_answered_as_documented(zap, buddy, monkeypatch):
    def broken(*args, **kwargs):
        raise RuntimeError("on purpose")

    for dialect in ("zap", "buddy"):
        monkeypatch.setattr(f"zapauth.{dialect}.viewsets.get_user_to_read", broken)
    for phone, path in ((zap, "/v1/users/{id}"), (buddy, "/users/{id}")):
        reply = phone.ask("GET", path.format(id=phone.user_id))
        assert reply.status == 500
        assert conforms(reply, "GET", path)


def test_a_database_that_cannot_answer_is_answered_as_documented(zap, buddy, monkeypatch):
    def broken(*args, **kwargs):
        raise OperationalError("on purpose")

    for dialect in ("zap", "buddy"):
        monkeypatch.setattr(f"zapauth.{dialect}.viewsets.get_user_to_read", broken)
    for phone, path in ((zap, "/v1/users/{id}"), (buddy, "/users/{id}")):
        reply = phone.ask("GET", path.format(id=phone.user_id))
        assert reply.status == 503
        assert conforms(reply, "GET", path)


def test_a_device_of_a_signed_app_and_a_service_root_are_answered_as_documented(db, settings):
    from users.clients import create_app

    settings.SERVICE_ROOT = "https://auth.example.org"
    new = create_app("Signed", signed=True)
    phone = BuddyPhone(InProcess(), app_id=new.app.pk, app_key=new.key)
    reply = phone.register_device()
    assert {"serverSignature", "serviceRoot"} <= reply.json["result"].keys()
    assert conforms(reply, "POST", "/devices")


def test_a_rotated_refresh_token_is_answered_as_documented(zap, settings):
    settings.ROTATE_REFRESH_TOKENS = True
    reply = zap.refresh()
    assert "refreshToken" in reply.json["data"]
    assert conforms(reply, "POST", "/v1/refresh")
