"""The Buddy dialect, row by row of its contract: what is sent and what comes back."""

import re
from datetime import UTC, datetime
from urllib.parse import urlencode

import pytest
import time_machine

from sessions.errors import SessionEnded
from sessions.login import log_in_on_device
from sessions.logout import end_sessions
from sessions.models import EndReason, Session
from sessions.origin import Origin
from tests.phones import PASSWORD, BuddyPhone, InProcess, new_name
from users.clients import create_app
from users.models import App, Device, DeviceToken, User
from zapauth.buddy.signatures import request_signature, server_signature

pytestmark = pytest.mark.only("buddy")
WIRE_DATE = re.compile(r"/Date\((-?\d+)\)/")
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def error_of(reply):
    return reply.status, reply.json["error"], reply.json["errorNumber"]


INVALID_TOKEN = (401, "AuthAccessTokenInvalid", 260)
USER_REQUIRED = (403, "AuthUserAccessTokenRequired", 263)


def test_the_seed_documents_logout_answers_a_token_that_is_good_for_the_app_only(new_phone):
    phone = new_phone().sign_up()
    answer = phone.log_out()
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json.keys() == {"status", "result", "request_id", "success"}
    assert (answer.json["status"], answer.json["success"]) == (200, True)
    assert UUID.fullmatch(answer.json["request_id"])
    assert answer.json["result"].keys() == {"accessToken", "accessTokenExpires"}
    assert WIRE_DATE.fullmatch(answer.json["result"]["accessTokenExpires"])
    fresh = answer.json["result"]["accessToken"]
    assert phone.call("PATCH", "/devices/current", {"tag": "mine"}, token=fresh).status == 200
    assert error_of(phone.me(fresh)) == USER_REQUIRED
    assert error_of(phone.call("POST", "/users/me/logout", token=fresh)) == USER_REQUIRED
    phone.app_token = fresh
    assert phone.log_in(phone.username).status == 200
    assert phone.me().status == 200


def test_the_app_level_token_of_the_registration_stays_good_through_login_and_logout(new_phone):
    phone = new_phone().sign_up()
    tag = {"tag": "still here"}
    assert phone.call("PATCH", "/devices/current", tag, token=phone.app_token).status == 200
    phone.log_out()
    assert phone.call("PATCH", "/devices/current", tag, token=phone.app_token).status == 200
    assert phone.log_in(phone.username).status == 200


def test_a_dead_token_gets_no_new_one(new_phone):
    phone = new_phone().sign_up()
    phone.log_out()
    before = Session.objects.count()
    assert error_of(phone.log_out()) == INVALID_TOKEN
    assert Session.objects.count() == before


@pytest.mark.parametrize(
    ("kind", "content"), [(None, None), ("application/json", "{}"), ("application/x-www-form-urlencoded", "")]
)
def test_a_logout_comes_with_no_body_an_empty_object_or_an_empty_form(new_phone, kind, content):
    phone = new_phone().sign_up()
    headers = {"Authorization": f"Buddy {phone.access_token}"} | ({"Content-Type": kind} if kind else {})
    assert phone.send("POST", "/users/me/logout", headers=headers, content=content).status == 200


def test_times_are_milliseconds_of_the_tokens_own_exp(new_phone, settings):
    with time_machine.travel(datetime(2026, 3, 1, tzinfo=UTC), tick=False):
        phone = new_phone().sign_up()
        answer = phone.log_in(phone.username).json["result"]["accessTokenExpires"]
        expires = datetime.now(UTC) + settings.SESSION_LIFETIME
    assert int(WIRE_DATE.fullmatch(answer)[1]) == expires.timestamp() * 1000


# --- devices -----------------------------------------------------------------------------------


def test_a_registration_answers_201_and_an_app_level_token(new_phone):
    phone = new_phone()
    answer = phone.register_device()
    assert (answer.status, answer.json["status"]) == (201, 201)
    assert answer.json["result"].keys() == {"accessToken", "accessTokenExpires"}
    assert error_of(phone.me(phone.app_token)) == USER_REQUIRED


@pytest.mark.parametrize(
    "spelling", [("appId", "appKey"), ("appID", "AppKey"), ("appid", "appkey"), ("AppId", "APPKEY")]
)
@pytest.mark.parametrize("as_form", [False, True])
def test_a_registration_takes_any_spelling_as_json_or_form(new_phone, spelling, as_form):
    phone = new_phone()
    body = dict(zip(spelling, (phone.app_id, phone.app_key), strict=True)) | {"platform": "iOS", "uniqueid": "1"}
    if as_form:
        kind = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
        answer = phone.send("POST", "/devices", headers=kind, content=urlencode(body))
    else:
        answer = phone.call("POST", "/devices", body)
    assert answer.status == 201


def test_registering_again_with_the_same_unique_id_is_the_same_device_brought_up_to_date(new_phone):
    phone = new_phone()
    body = {"appId": phone.app_id, "appKey": phone.app_key, "platform": "Android", "uniqueId": 4711, "model": ""}
    first = {"OSVersion": "", "appVersion": None, "appversion": "1.0", "location": "52.5, 13.4", "unknown": [1]}
    assert phone.call("POST", "/devices", body | first).status == 201
    assert phone.call("POST", "/devices", body | {"osVersion": 15, "isProduction": "true"}).status == 201
    device = Device.objects.get()
    assert (device.unique_id, device.os_version, device.app_version) == ("4711", "15", "1.0")
    assert (device.latitude, device.longitude, device.is_production) == (52.5, 13.4, True)


def test_a_device_without_a_unique_id_is_a_new_one_each_time(new_phone):
    phone = new_phone()
    body = {"appId": phone.app_id, "appKey": phone.app_key, "platform": "Android", "uniqueId": None}
    for _ in range(2):
        assert phone.call("POST", "/devices", body).status == 201
    assert Device.objects.count() == 2


def test_wrong_app_credentials_are_one_and_the_same_error(new_phone):
    phone = new_phone()
    message = "The supplied AppId or AppKey is invalid, please double check the values."
    other = create_app("Off")
    App.objects.filter(pk=other.app.pk).update(is_active=False)
    keyless = App.objects.create(name="Keyless")
    for app_id, app_key in [("nobody", "x"), (phone.app_id, "x"), (other.app.pk, other.key), (keyless.pk, "x")]:
        refused = phone.call("POST", "/devices", {"appId": app_id, "appKey": app_key, "platform": "iOS"})
        assert error_of(refused) == (401, "AuthAppCredentialsInvalid", 261)
        assert refused.json["message"] == message


@pytest.mark.parametrize("missing", ["appId", "appKey", "platform"])
@pytest.mark.parametrize("value", [None, ""])
def test_a_required_parameter_that_is_missing_or_empty_is_named(new_phone, missing, value):
    phone = new_phone()
    body = {"appId": phone.app_id, "appKey": phone.app_key, "platform": "iOS"} | {missing: value}
    refused = phone.call("POST", "/devices", body)
    assert error_of(refused) == (400, "ParameterMissingRequiredValue", 513)
    assert missing in refused.json["message"]


@pytest.mark.parametrize("location", ["52.5", "north,east", "nan,1", "1,2,3", 5, [1, 2]])
def test_a_location_that_is_none_is_an_incorrect_format_on_any_call(new_phone, location):
    phone = new_phone().sign_up()
    calls = [("PATCH", "/devices/current"), ("POST", "/users/me/logout"), ("POST", "/users/login")]
    for method, path in calls:
        refused = phone.call(method, path, {"location": location}, token=phone.access_token)
        assert error_of(refused) == (400, "ParameterIncorrectFormat", 515)
    assert phone.me().status == 200


def test_a_changed_device_is_answered_as_an_object_without_its_push_address(new_phone):
    phone = new_phone(device_token="push").sign_up()
    body = {"osVersion": "16", "tag": "t", "location": "1.5,-2", "isProduction": False, "pushToken": "push"}
    device = phone.call("PATCH", "/devices/current", body, token=phone.access_token).json["result"]
    assert device["location"] == {"lat": 1.5, "lng": -2.0}
    assert (device["osVersion"], device["tag"], device["isProduction"]) == ("16", "t", False)
    assert "push" not in str(device)
    assert None not in device.values()


# --- push addresses ----------------------------------------------------------------------------


def pushes_of(phone):
    return list(DeviceToken.objects.filter(user_id=phone.user_id).values_list("token", flat=True))


def test_after_a_logout_the_device_keeps_its_push_address_and_the_next_login_has_it(new_phone):
    phone = new_phone(device_token="push").sign_up()
    phone.app_token = phone.log_out().json["result"]["accessToken"]
    held = DeviceToken.objects.get(token="push")
    assert (held.user_id, held.device) == (None, Device.objects.get())
    phone.log_in(phone.username)
    assert pushes_of(phone) == ["push"]


@pytest.mark.parametrize("level", ["app_token", "access_token"])
@pytest.mark.parametrize("name", ["pushToken", "pushtoken", "DeviceToken"])
def test_a_new_push_address_takes_the_old_ones_place_whichever_token_brings_it(new_phone, level, name):
    phone = new_phone(device_token="old").sign_up()
    assert phone.call("PATCH", "/devices/current", {name: "new"}, token=getattr(phone, level)).status == 200
    assert pushes_of(phone) == ["new"]
    assert list(Device.objects.get().device_tokens.values_list("token", flat=True)) == ["new"]
    phone.log_out()
    assert pushes_of(phone) == []
    phone.log_in(phone.username)  # with the registration's token
    assert pushes_of(phone) == ["new"]


def test_an_empty_push_token_takes_the_address_away(new_phone):
    phone = new_phone(device_token="push").sign_up()
    assert phone.call("PATCH", "/devices/current", {"pushToken": ""}, token=phone.access_token).status == 200
    assert pushes_of(phone) == []
    assert not Device.objects.get().device_tokens.exists()
    phone.log_out()
    phone.log_in(phone.username)
    assert pushes_of(phone) == []


def test_knowing_a_unique_id_does_not_bring_a_strangers_pushes_onto_ones_phone(new_phone):
    phone = new_phone(device_token="hers", unique_id="known").sign_up()
    phone.log_out()
    credentials = {"app_id": phone.app_id, "app_key": phone.app_key}
    stranger = BuddyPhone(InProcess(), device_token="his", unique_id="known", **credentials)
    stranger.register_device()
    phone.log_in(phone.username)
    assert pushes_of(phone) == ["hers"]


def test_an_app_level_session_cannot_take_a_push_address_from_a_user_on_another_device(new_phone):
    phone, stranger = new_phone(device_token="hers").sign_up(), new_phone()
    stranger.register_device()
    stranger.call("PATCH", "/devices/current", {"pushToken": "hers"}, token=stranger.app_token)
    assert pushes_of(phone) == ["hers"]


# --- users -------------------------------------------------------------------------------------


def test_a_user_is_made_with_all_that_clients_send_and_told_without_what_is_absent(new_phone):
    phone = new_phone()
    phone.register_device()
    name = {"userName": "Ann.Lee@example.org", "firstname": "Ann", "lastName": "Lee", "email": None, "extra": {}}
    rest = {"password": "pw", "gender": 2, "dateOfBirth": "Mar 5, 1960 12:00:00 AM", "tag": 7, "location": "1,2"}
    user = phone.call("POST", "/users", name | rest, token=phone.app_token).json["result"]
    assert (user["userName"], user["firstName"], user["gender"]) == ("Ann.Lee@example.org", "Ann", "Female")
    assert user["dateOfBirth"] == "/Date(-310089600000)/"
    assert (user["tag"], user["location"]) == ("7", {"lat": 1.0, "lng": 2.0})
    assert "email" not in user
    assert WIRE_DATE.fullmatch(user["accessTokenExpires"])
    assert phone.me(user["accessToken"]).json["result"]["id"] == user["id"]


@pytest.mark.parametrize(
    ("given", "milliseconds"),
    [
        ("/Date(1423002218900)/", 1423002218900),
        ("/Date(-310262400000)/", -310262400000),
        ("/Date(1423002218900+0100)/", 1423002218900),
        ("1990-03-05", 636595200000),
        ("1990-03-05T00:00:00Z", 636595200000),
        ("1990-03-05T01:00:00+01:00", 636595200000),
        ("Mar 5, 1990 12:00:00\u202fAM", 636595200000),
    ],
)
def test_a_date_of_birth_comes_in_three_formats(new_phone, given, milliseconds):
    phone = new_phone()
    phone.register_device()
    body = {"username": new_name(), "password": "pw", "dateOfBirth": given}
    user = phone.call("POST", "/users", body, token=phone.app_token).json["result"]
    assert user["dateOfBirth"] == f"/Date({milliseconds})/"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[("gender", value) for value in ("other", 3, True, [])],
        *[("dateOfBirth", value) for value in ("yesterday", "/Date(x)/", "/Date(99999999999999999)/", 5, "1990-13-01")],
        *[("email", value) for value in ("no at", 5)],
    ],
)
def test_a_value_of_the_wrong_form_is_refused_and_makes_no_user(new_phone, field, value):
    phone = new_phone()
    phone.register_device()
    body = {"username": new_name(), "password": "pw", field: value}
    refused = phone.call("POST", "/users", body, token=phone.app_token)
    assert error_of(refused) == (400, "ParameterIncorrectFormat", 515)
    assert field in refused.json["message"]
    assert not User.objects.exists()


def test_what_a_form_leaves_empty_is_left_out(new_phone):
    phone = new_phone()
    phone.register_device()
    empty = ["email", "gender", "dateOfBirth", "firstName", "tag", "location"]
    body = {"username": new_name(), "password": "pw"} | dict.fromkeys(empty, "")
    headers = {"Authorization": f"Buddy {phone.app_token}", "Content-Type": "application/x-www-form-urlencoded"}
    user = phone.send("POST", "/users", headers=headers, content=urlencode(body)).json["result"]
    assert not user.keys() & set(empty)
    device = phone.call("PATCH", "/devices/current", {"isProduction": "", "location": ""}, token=phone.app_token)
    assert device.status == 200


def test_a_taken_user_name_is_an_existing_item_in_any_case(new_phone):
    phone = new_phone().sign_up("Ann")
    again = phone.call("POST", "/users", {"username": "aNN", "password": "pw"}, token=phone.app_token)
    assert error_of(again) == (400, "ItemAlreadyExists", 770)


def test_a_refused_login_is_the_same_for_an_unknown_user_and_a_wrong_password(new_phone):
    phone = new_phone().sign_up()
    for username in (phone.username, "nobody"):
        refused = phone.call("POST", "/users/login", {"username": username, "password": "no"}, token=phone.app_token)
        assert error_of(refused) == (401, "AuthBadUsernameOrPassword", 262)


def test_a_disabled_account_is_told_so_with_the_right_password(new_phone):
    phone = new_phone().sign_up()
    User.objects.filter(pk=phone.user_id).update(is_active=False)
    assert error_of(phone.log_in(phone.username)) == (403, "AuthUserAccountDisabled", 264)


def test_a_login_over_a_users_token_ends_the_session_that_it_takes_the_place_of(new_phone):
    phone = new_phone(device_token="push").sign_up()
    first = phone.access_token
    other = BuddyPhone(InProcess(), app_id=phone.app_id, app_key=phone.app_key).sign_up()
    body = {"username": other.username, "password": PASSWORD}
    assert phone.call("POST", "/users/login", body, token=first).status == 200
    assert error_of(phone.me(first)) == INVALID_TOKEN
    assert Session.objects.get(user_id=phone.user_id).end_reason == EndReason.SUPERSEDED
    assert pushes_of(other) == ["push"]


def test_a_login_with_the_registrations_token_ends_the_session_of_whoever_was_logged_in_there(new_phone):
    phone = new_phone(device_token="push").sign_up()
    first, anna = phone.access_token, phone.user_id
    phone.sign_up()  # Ben, on the same device
    assert error_of(phone.me(first)) == INVALID_TOKEN
    assert Session.objects.get(user_id=anna).end_reason == EndReason.SUPERSEDED
    assert error_of(phone.call("PATCH", "/devices/current", {"pushToken": "hers"}, token=first)) == INVALID_TOKEN
    assert pushes_of(phone) == ["push"]


def test_a_session_that_ended_while_the_password_was_checked_opens_no_other(new_phone):
    phone = new_phone(device_token="push").sign_up()
    phone.log_out()
    user, current = User.objects.get(), Session.objects.select_related("app").get(ended_at=None, opened_from=None)
    end_sessions(Session.objects.filter(pk=current.pk), actor=None, reason=EndReason.STAFF)
    with pytest.raises(SessionEnded):
        log_in_on_device(user, current=current, origin=Origin())
    assert pushes_of(phone) == []


def test_a_push_address_that_was_taken_away_meanwhile_does_not_come_back_with_the_login(new_phone):
    phone = new_phone(device_token="push").sign_up()
    phone.log_out()
    user, current = User.objects.get(), Session.objects.select_related("app").get(ended_at=None, opened_from=None)
    assert phone.call("PATCH", "/devices/current", {"pushToken": ""}, token=phone.app_token).status == 200
    log_in_on_device(user, current=current, origin=Origin())
    assert pushes_of(phone) == []


def test_a_closed_registration_is_closed_here_too(new_phone, settings):
    settings.REGISTRATION_OPEN = False
    phone = new_phone()
    phone.register_device()
    refused = phone.call("POST", "/users", {"username": "ann", "password": "pw"}, token=phone.app_token)
    assert error_of(refused) == (403, "ObjectPermissionDenied", 771)
    assert not User.objects.exists()


def test_a_failed_login_over_a_users_token_leaves_it_good(new_phone):
    phone = new_phone().sign_up()
    body = {"username": phone.username, "password": "wrong"}
    assert phone.call("POST", "/users/login", body, token=phone.access_token).status == 401
    assert phone.me().status == 200


def test_ping_answers_with_and_without_a_token_be_it_good_or_dead(new_phone):
    phone = new_phone().sign_up()
    phone.log_out()
    for token in (None, phone.app_token, phone.access_token, "rubbish"):
        answer = phone.call("GET", "/service/ping?", token=token)
        assert (answer.status, answer.json["result"]) == (200, "Pong")


def test_gets_may_end_in_a_bare_question_mark_or_ampersand(new_phone):
    phone = new_phone().sign_up()
    for path in ("/users/me?", "/users/me?&", "/users/me/", "/users/me/?a=b&"):
        assert phone.call("GET", path, token=phone.access_token).status == 200


# --- signed apps -------------------------------------------------------------------------------


@pytest.fixture
def signed_app(db):
    return create_app("Signed", signed=True)


def test_a_signed_app_knows_the_server_by_its_signature(new_phone, signed_app):
    phone = new_phone(app_id=signed_app.app.pk, app_key=signed_app.key)
    answer = phone.register_device().json["result"]
    assert answer["serverSignature"] == server_signature(signed_app.shared_secret, app_key=signed_app.key)


def test_each_request_of_a_signed_app_needs_its_own_signature(new_phone, signed_app):
    phone = new_phone(app_id=signed_app.app.pk, app_key=signed_app.key)
    phone.register_device()

    def answer(method, path, signature=""):
        headers = {"Authorization": f"Buddy {phone.app_token} {signature}"}
        return phone.send(method, path, headers=headers)

    def sign(method, path):
        facts = {"method": method, "app_id": signed_app.app.pk, "path": path}
        return request_signature(signed_app.shared_secret, **facts)

    good = sign("PATCH", "/devices/current")
    assert answer("PATCH", "/devices/current?x=1", good).status == 200
    for wrong in ("", "0" * 64, sign("GET", "/devices/current"), sign("PATCH", "/devices/other"), good[:-1]):
        assert error_of(answer("PATCH", "/devices/current", wrong)) == (401, "AuthSignatureInvalid", 258)
    # The signature of the documentation's recipe, by another implementation.
    assert sign("GET", "/users/me") != sign("GET", "users/me")


def test_no_secret_of_an_app_is_kept_in_a_form_that_can_be_used(signed_app):
    stored = " ".join(str(value) for value in App.objects.filter(pk=signed_app.app.pk).values_list()[0])
    assert signed_app.key not in stored
    assert signed_app.shared_secret not in stored
