"""Buddy's table of errors. The name of each test has the error, its number and its cause."""

import re
import sys
from datetime import timedelta

import pytest
import time_machine
from django.db import OperationalError

from sessions.tokens.keys import new_private_key_pem
from tests.bad_input import failing
from tests.phones import PASSWORD, InProcess, ZapPhone, promote, work_of
from users.clients import create_app
from users.models import App, Device, User
from zapauth.buddy import errors

pytestmark = pytest.mark.only("buddy")
UNKNOWN_ID = "0" * 24
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
JSON = {"Content-Type": "application/json"}


def error_of(reply):
    assert reply.json["status"] == reply.status
    assert reply.json["success"] is False
    return reply.status, reply.json["error"], reply.json["errorNumber"]


def message_of(reply):
    return reply.json["message"]


def register(phone, **fields):
    good = {"appId": phone.app_id, "appKey": phone.app_key, "platform": "Android"}
    return phone.call("POST", "/devices", good | fields)


def test_auth_failed_0x100_is_a_401_for_any_other_refusal_to_authenticate_such_as_a_wrong_reset_code(new_phone):
    phone = new_phone().sign_up()
    body = {"userName": phone.username, "resetCode": "12345678", "newPassword": "another-pass-2"}
    assert error_of(phone.ask("PATCH", "/users/password", body)) == (401, "AuthFailed", 256)
    assert phone.log_in(phone.username).status == 200


def test_auth_failed_0x100_is_a_429_with_retry_after_for_too_many_attempts(new_phone, settings):
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"login": (2, 600), "login_known": (2, 600)}
    with time_machine.travel("2026-03-01T12:00:00Z", tick=False) as clock:
        phone = new_phone().sign_up()
        wrong = {"username": phone.username, "password": "wrong"}
        assert [phone.ask("POST", "/users/login", wrong).status for _ in range(2)] == [401, 401]
        assert error_of(phone.log_in(phone.username)) == (429, "AuthFailed", 256)
        assert phone.last.headers["retry-after"] == "600"
        clock.shift(timedelta(seconds=600))
        assert phone.log_in(phone.username).status == 200


def test_auth_signature_invalid_0x102_is_a_401_for_a_missing_or_wrong_signature_of_an_app_with_a_secret(new_phone):
    signed = create_app("Signed", signed=True)
    phone = new_phone(app_id=signed.app.pk, app_key=signed.key)
    phone.register_device()
    for signature in ("", "0" * 64, "none"):
        headers = {"Authorization": f"Buddy {phone.app_token} {signature}"}
        refused = phone.send("PATCH", "/devices/current", headers=headers)
        assert error_of(refused) == (401, "AuthSignatureInvalid", 258)


def test_auth_access_token_invalid_0x104_is_a_401_for_no_token_or_a_malformed_one(new_phone):
    phone = new_phone().sign_up()
    zap = ZapPhone(InProcess()).sign_up()
    for token in (None, "garbage", phone.access_token[:-10], zap.access_token, zap.refresh_token):
        refused = phone.call("GET", "/users/me", token=token)
        assert error_of(refused) == (401, "AuthAccessTokenInvalid", 260)


def test_auth_access_token_invalid_0x104_is_a_401_for_an_expired_token(new_phone, settings):
    settings.SESSION_IDLE_TIMEOUT = timedelta(0)
    with time_machine.travel("2026-03-01T12:00:00Z", tick=False) as clock:
        phone = new_phone().sign_up()
        clock.shift(settings.SESSION_LIFETIME - timedelta(seconds=1))
        assert phone.me().status == 200
        clock.shift(timedelta(seconds=1))
        assert error_of(phone.me()) == (401, "AuthAccessTokenInvalid", 260)


def test_auth_access_token_invalid_0x104_is_a_401_for_a_wrongly_signed_token(new_phone, settings):
    phone = new_phone().sign_up()
    settings.SIGNING_KEYS = new_private_key_pem()
    assert error_of(phone.me()) == (401, "AuthAccessTokenInvalid", 260)


def test_auth_access_token_invalid_0x104_is_a_401_for_the_token_of_an_ended_session(new_phone):
    phone = new_phone().sign_up()
    phone.log_out()
    assert error_of(phone.me()) == (401, "AuthAccessTokenInvalid", 260)
    # After this error the JavaScript client registers again, whichever call it made.
    assert error_of(phone.ask("POST", "/users/login", {})) == (401, "AuthAccessTokenInvalid", 260)


def test_auth_app_credentials_invalid_0x105_is_a_401_for_an_unknown_app_id_or_a_wrong_app_key(new_phone):
    phone, other = new_phone(), create_app("Off")
    App.objects.filter(pk=other.app.pk).update(is_active=False)
    keyless = App.objects.create(name="Keyless")
    pairs = [(UNKNOWN_ID, phone.app_key), ("none", "x"), (phone.app_id, "x"), (phone.app_id, other.key)]
    for app_id, app_key in [*pairs, (other.app.pk, other.key), (keyless.pk, "x")]:
        refused = register(phone, appId=app_id, appKey=app_key)
        assert error_of(refused) == (401, "AuthAppCredentialsInvalid", 261)
        text = "The supplied AppId or AppKey is invalid, please double check the values."
        assert message_of(refused) == text
    assert not Device.objects.exists()


def test_auth_bad_username_or_password_0x106_is_a_401_the_same_for_both_and_for_the_same_work(new_phone):
    phone = new_phone().sign_up()
    answers, works = [], []
    for username in (phone.username, "nobody"):
        body = {"username": username, "password": "wrong"}
        works.append(work_of(lambda body=body: phone.call("POST", "/users/login", body, token=phone.app_token)))
        answers.append(phone.last)
    assert [error_of(answer) for answer in answers] == [(401, "AuthBadUsernameOrPassword", 262)] * 2
    assert message_of(answers[0]) == message_of(answers[1])
    assert works[0] == works[1]
    assert works[0].hashes == 1


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *[("GET", path) for path in ("/users/me", f"/users/{UNKNOWN_ID}", "/users/not-an-id", "/users")],
        *[("PATCH", "/users/me"), ("DELETE", "/users/me"), ("POST", "/users/me/logout")],
    ],
)
def test_auth_user_access_token_required_0x107_is_a_403_for_an_app_level_token_where_a_user_is_needed(
    new_phone, method, path
):
    phone = new_phone().sign_up()
    refused = phone.call(method, path, token=phone.app_token)
    assert error_of(refused) == (403, "AuthUserAccessTokenRequired", 263)
    assert phone.me().status == 200


def test_auth_user_account_disabled_0x108_is_a_403_for_the_right_password_of_a_disabled_account(new_phone):
    phone = new_phone().sign_up()
    User.objects.filter(pk=phone.user_id).update(is_active=False)
    assert error_of(phone.log_in(phone.username)) == (403, "AuthUserAccountDisabled", 264)
    wrong = {"username": phone.username, "password": "wrong"}
    refused = phone.call("POST", "/users/login", wrong, token=phone.app_token)
    assert error_of(refused) == (401, "AuthBadUsernameOrPassword", 262)


@pytest.mark.parametrize(
    ("method", "path", "required"),
    [
        ("POST", "/devices", ["appId", "appKey", "platform"]),
        ("POST", "/users", ["username", "password"]),
        ("POST", "/users/login", ["username", "password"]),
        ("POST", "/users/password", ["userName"]),
        ("PATCH", "/users/password", ["userName", "resetCode", "newPassword"]),
    ],
)
def test_parameter_missing_required_value_0x201_is_a_400_for_a_missing_or_empty_required_parameter(
    new_phone, method, path, required
):
    phone = new_phone()
    phone.register_device()
    good = {"appId": phone.app_id, "appKey": phone.app_key, "resetCode": "12345678"}
    good |= dict.fromkeys(("platform", "username", "userName", "password", "newPassword"), "value")
    for name in required:
        rest = {other: value for other, value in good.items() if other.lower() != name.lower()}
        for body in (rest, rest | {name: None}, rest | {name: ""}):
            refused = phone.call(method, path, body, token=phone.app_token)
            assert error_of(refused) == (400, "ParameterMissingRequiredValue", 513)
            assert name.lower() in message_of(refused).lower()
    assert not User.objects.exists()


@pytest.mark.parametrize("malformed", ["x", "0" * 23, "0" * 25, "A" * 24, "%00", "ME"])
@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_parameter_out_of_range_0x202_is_a_400_for_a_malformed_id(new_phone, method, malformed):
    phone = promote(new_phone().sign_up(), "users.view_user", "users.change_user", "users.delete_user")
    refused = phone.ask(method, f"/users/{malformed}")
    assert error_of(refused) == (400, "ParameterOutOfRange", 514)
    assert message_of(refused) == "The given ID was not valid."


def test_parameter_out_of_range_0x202_is_a_400_for_a_value_out_of_its_bounds(new_phone):
    phone = new_phone().sign_up()
    for method, path, body in [
        ("PATCH", "/devices/current", {"pushToken": "x" * 4097}),
        ("PATCH", "/users/me", {"firstName": "x" * 151}),
        ("PATCH", "/users/me", {"location": "90.1,0"}),
        ("GET", "/users?limit=101", None),
        ("GET", "/users?limit=0", None),
    ]:
        assert error_of(phone.ask(method, path, body)) == (400, "ParameterOutOfRange", 514), (method, path)


def test_parameter_incorrect_format_0x203_is_a_400_for_a_gender_other_than_male_or_female(new_phone):
    phone = new_phone().sign_up()
    for gender in ("other", 3, -1, True, []):
        refused = phone.ask("PATCH", "/users/me", {"gender": gender})
        assert error_of(refused) == (400, "ParameterIncorrectFormat", 515)
        assert "gender" in message_of(refused)


def test_parameter_incorrect_format_0x203_is_a_400_for_a_location_other_than_lat_lng(new_phone):
    phone = new_phone().sign_up()
    for location in ("52.5", "north,east", "nan,1", "1,2,3", "1;2", 5, [1, 2], {"lat": 1, "lng": 2}):
        refused = phone.ask("PATCH", "/users/me", {"location": location})
        assert error_of(refused) == (400, "ParameterIncorrectFormat", 515)
        assert "location" in message_of(refused)


def test_parameter_incorrect_format_0x203_is_a_400_for_a_malformed_body(new_phone):
    phone = new_phone().sign_up()
    authorization = {"Authorization": f"Buddy {phone.access_token}"}
    for kind, content in [
        (JSON, '{"tag": '),
        (JSON, "[1]"),
        (JSON, '"text"'),
        (FORM, "location=%00"),
        ({"Content-Type": "text/plain"}, "tag=t"),
    ]:
        refused = phone.send("POST", "/users/me/logout", headers=authorization | kind, content=content)
        assert error_of(refused) == (400, "ParameterIncorrectFormat", 515)
    assert phone.me().status == 200


def test_operation_not_found_0x204_is_a_404_for_an_unknown_path(new_phone):
    phone = new_phone().sign_up()
    calls = [("GET", path) for path in ("/nothing", "/users/me/nothing", "/Users/me", "/devices/other")]
    # GET and HEAD of / answer a page.
    calls += [(method, "/") for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS")]
    for method, path in calls:
        for token in (phone.access_token, None):
            assert error_of(phone.call(method, path, token=token)) == (404, "OperationNotFound", 516)


def test_operation_not_found_0x204_is_a_405_for_an_unknown_method_of_a_path(new_phone):
    phone = new_phone().sign_up()
    for method, path in [("GET", "/devices"), ("PUT", "/users/me"), ("GET", "/users/me/logout"), ("PUT", "/users")]:
        for token in (phone.access_token, None):
            assert error_of(phone.call(method, path, token=token)) == (405, "OperationNotFound", 516)


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_item_does_not_exist_0x301_is_a_404_for_an_unknown_object(new_phone, method):
    staff = promote(new_phone().sign_up(), "users.view_user", "users.change_user", "users.delete_user")
    assert error_of(staff.ask(method, f"/users/{UNKNOWN_ID}")) == (404, "ItemDoesNotExist", 769)


def test_item_already_exists_0x302_is_a_400_for_a_user_name_that_is_taken_in_any_case(new_phone):
    phone, other = new_phone().sign_up("Ann"), new_phone().sign_up()
    again = phone.call("POST", "/users", {"username": "aNN", "password": PASSWORD}, token=phone.app_token)
    assert error_of(again) == (400, "ItemAlreadyExists", 770)
    assert error_of(other.ask("PATCH", "/users/me", {"username": "aNN"})) == (400, "ItemAlreadyExists", 770)
    assert User.objects.count() == 2
    assert other.me().json["result"]["userName"] == other.username


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_object_permission_denied_0x303_is_a_403_for_someone_elses_object_be_it_known_or_not(new_phone, method):
    phone, other = new_phone().sign_up(), new_phone().sign_up()
    answers = [phone.ask(method, f"/users/{user_id}") for user_id in (other.user_id, UNKNOWN_ID)]
    assert [error_of(answer) for answer in answers] == [(403, "ObjectPermissionDenied", 771)] * 2
    assert message_of(answers[0]) == message_of(answers[1])
    assert other.me().status == 200


def test_object_permission_denied_0x303_is_a_403_where_registration_is_closed(new_phone, settings):
    settings.REGISTRATION_OPEN = False
    phone = new_phone()
    phone.register_device()
    refused = phone.call("POST", "/users", {"username": "ann", "password": PASSWORD}, token=phone.app_token)
    assert error_of(refused) == (403, "ObjectPermissionDenied", 771)
    assert not User.objects.exists()


def test_internal_server_error_0x500_is_a_500_for_a_bug_and_shows_nothing_of_it(new_phone, caplog):
    phone = new_phone().sign_up()
    with failing("zapauth.buddy.viewsets.log_out_of_device", caplog) as logged:
        broken = phone.log_out()
    assert error_of(broken) == (500, "InternalServerError", 1280)
    assert "secret" not in broken.text
    assert logged == [("ERROR", broken.json["request_id"], "the inner secret")]
    assert phone.me().status == 200


def test_service_unavailable_0x503_is_a_503_while_the_database_cant_answer(new_phone, caplog):
    phone = new_phone().sign_up()
    with failing("zapauth.buddy.viewsets.log_out_of_device", caplog, OperationalError) as logged:
        refused = phone.log_out()
    assert error_of(refused) == (503, "ServiceUnavailable", 1283)
    assert int(refused.headers["retry-after"]) > 0
    assert "secret" not in refused.text
    assert not logged
    assert phone.me().status == 200


def test_every_error_that_the_server_has_words_for_has_its_test_here():
    tests = [name for name in vars(sys.modules[__name__]) if name.startswith("test_")]
    table = [value for name, value in vars(errors).items() if name.isupper() and isinstance(value, tuple)]
    table = [value for value in table if len(value) == 2 and isinstance(value[1], int)]
    assert len(table) >= 15
    for name, number in table:
        words = re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
        assert any(test.startswith(f"test_{words}_0x{number:x}_") for test in tests), name
