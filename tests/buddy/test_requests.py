"""The forms in which Buddy's clients send requests: headers, bodies, spellings, values, and calls from a browser."""

import json
from urllib.parse import urlencode

import pytest

from tests.bad_input import buddy_error, buddy_success
from tests.phones import PASSWORD, new_name
from users.models import Device, User

pytestmark = pytest.mark.only("buddy")
FORM = "application/x-www-form-urlencoded"


def send(phone, method, path, content=None, *, kind=None, authorization=None):
    headers = {"Authorization": authorization or f"Buddy {phone.access_token}"} | (
        {"Content-Type": kind} if kind else {}
    )
    return phone.send(method, path, headers=headers, content=content)


# --- the Authorization header --------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["Buddy", "buddy", "BUDDY", "Bearer", "bearer"])
def test_the_scheme_is_buddy_in_any_case_and_bearer_works_too(new_phone, scheme):
    phone = new_phone().sign_up()
    for token in (phone.access_token, f"{phone.access_token} and-a-signature"):
        assert buddy_success(send(phone, "GET", "/users/me", authorization=f"{scheme} {token}"))["id"] == phone.user_id


@pytest.mark.parametrize("header", ["Basic {token}", "{token}", "Buddy", "Buddy{token}", "Buddy {token} a b"])
def test_any_other_form_of_the_header_carries_no_token(new_phone, header):
    phone = new_phone().sign_up()
    refused = send(phone, "GET", "/users/me", authorization=header.format(token=phone.access_token))
    assert buddy_error(refused) == (401, "AuthAccessTokenInvalid")


# --- bodies --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("application/json", '{"firstName": "Ann", "tag": "a b&c"}'),
        ("application/json; charset=utf-8", '{"firstName": "Ann", "tag": "a b&c"}'),
        (FORM, "firstName=Ann&tag=a+b%26c"),
        (f"{FORM}; charset=UTF-8", "firstName=Ann&tag=a+b%26c"),
        (None, '{"firstName": "Ann", "tag": "a b&c"}'),
    ],
)
def test_a_body_is_json_or_a_form(new_phone, kind, content):
    phone = new_phone().sign_up()
    buddy_success(send(phone, "PATCH", "/users/me", content, kind=kind))
    user = phone.me().json["result"]
    assert (user["firstName"], user["tag"]) == ("Ann", "a b&c")


@pytest.mark.parametrize(
    ("kind", "content"), [(None, None), ("application/json", "{}"), (FORM, ""), ("application/json", "[]")]
)
def test_a_logout_comes_with_no_body_at_all_an_empty_object_an_empty_form_or_phps_empty_array(new_phone, kind, content):
    phone = new_phone().sign_up()
    buddy_success(send(phone, "POST", "/users/me/logout", content, kind=kind))
    assert phone.me().status == 401


@pytest.mark.parametrize("content", ["[]", "null", "{}"])
def test_phps_empty_array_as_a_whole_body_means_no_parameters(new_phone, content):
    phone = new_phone().sign_up()
    before = phone.me().json["result"]
    buddy_success(send(phone, "PATCH", "/users/me", content, kind="application/json"))
    assert phone.me().json["result"] == before | {"lastModified": phone.me().json["result"]["lastModified"]}
    lacking = send(phone, "POST", "/devices", content, kind="application/json")
    assert buddy_error(lacking) == (400, "ParameterMissingRequiredValue")


# --- names ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("names", ["appId appKey", "appID AppKey", "appid appkey", "AppId APPKEY"])
@pytest.mark.parametrize("as_form", [False, True])
def test_parameter_names_are_case_insensitive(new_phone, names, as_form):
    phone = new_phone()
    spelt = dict(zip(names.split(), (phone.app_id, phone.app_key), strict=True))
    body = spelt | {"PLATFORM": "iOS", "OSVersion": "17", "uniqueid": "1"}
    content, kind = (urlencode(body), FORM) if as_form else (json.dumps(body), "application/json")
    assert send(phone, "POST", "/devices", content, kind=kind).status == 201
    device = Device.objects.get()
    assert (device.platform, device.os_version, device.unique_id) == ("iOS", "17", "1")


@pytest.mark.parametrize("name", ["firstname", "firstName", "FirstName", "FIRSTNAME"])
def test_parameter_names_are_case_insensitive_for_users_too(new_phone, name):
    phone = new_phone().sign_up()
    buddy_success(phone.ask("PATCH", "/users/me", {name: "Ann"}))
    assert phone.me().json["result"]["firstName"] == "Ann"


def test_null_is_the_same_as_left_out(new_phone):
    phone = new_phone().sign_up()
    buddy_success(phone.ask("PATCH", "/users/me", {"firstName": "Ann", "gender": "female", "location": "1,2"}))
    before = phone.me().json["result"]
    nothing = dict.fromkeys(("username", "firstName", "lastName", "email", "gender", "dateOfBirth", "tag", "location"))
    buddy_success(phone.ask("PATCH", "/users/me", nothing))
    assert phone.me().json["result"] == before | {"lastModified": phone.me().json["result"]["lastModified"]}


def test_unknown_parameters_are_ignored(new_phone):
    phone = new_phone().sign_up()
    odd = {"unknown": [1], "is_staff": True, "isSuperuser": "1", "password": "another", "id": "0" * 24, "": "x"}
    buddy_success(phone.ask("PATCH", "/users/me", odd | {"tag": "t"}))
    user = User.objects.get()
    assert (user.tag, user.is_staff, user.is_superuser, user.pk) == ("t", False, False, phone.user_id)
    assert phone.log_in(phone.username).status == 200


@pytest.mark.parametrize(
    "twice",
    [
        {"appVersion": "1.0", "appversion": "1.0"},
        {"appVersion": None, "appversion": "1.0"},
        {"appVersion": "1.0", "appversion": ""},
    ],
)
def test_the_same_parameter_twice_in_two_spellings_is_no_error(new_phone, twice):
    phone = new_phone()
    body = {"appId": phone.app_id, "appKey": phone.app_key, "platform": "Android"}
    assert phone.call("POST", "/devices", body | twice).status == 201
    assert Device.objects.get().app_version == "1.0"


# --- values --------------------------------------------------------------------------------------


def test_unique_id_may_be_a_number_and_model_and_os_version_may_be_empty(new_phone):
    phone = new_phone()
    body = {"appId": phone.app_id, "appKey": phone.app_key, "platform": "Android", "model": "", "osVersion": ""}
    for unique_id in (4711, "4711"):
        assert phone.call("POST", "/devices", body | {"uniqueId": unique_id}).status == 201
    assert Device.objects.get().unique_id == "4711"


@pytest.mark.parametrize("location", ["52.5,13.4", "52.5, 13.4", " 52.5 ,13.4"])
def test_a_location_is_lat_lng_with_a_blank_or_none_and_answered_as_an_object(new_phone, location):
    phone = new_phone().sign_up()
    buddy_success(phone.ask("PATCH", "/users/me", {"location": location}))
    assert phone.me().json["result"]["location"] == {"lat": 52.5, "lng": 13.4}
    device = phone.ask("PATCH", "/devices/current", {"location": location}).json["result"]
    assert device["location"] == {"lat": 52.5, "lng": 13.4}


def test_a_location_can_come_with_any_call(new_phone, mailoutbox):
    phone = new_phone().sign_up()
    here, name = {"location": "1, 2"}, new_name()
    person = {"username": name, "userName": name, "password": PASSWORD}
    app = {"appId": phone.app_id, "appKey": phone.app_key, "platform": "Android"}
    assert phone.call("POST", "/devices", app | here).status == 201
    for method, path, body in [
        ("PATCH", "/devices/current", here),
        ("GET", "/service/ping?location=1,2", None),
        ("GET", f"/users/{phone.user_id}?location=1,%202", None),
        ("GET", "/users?location=1,2", None),
        ("PATCH", "/users/me", here),
        ("POST", "/users/password", person | here),
        ("POST", "/users/me/logout", here),
    ]:
        buddy_success(phone.ask(method, path, body))
    for path in ("/users", "/users/login"):
        user = buddy_success(phone.call("POST", path, person | here, token=phone.app_token))
        assert user["location"] == {"lat": 1.0, "lng": 2.0}
    phone.access_token = user["accessToken"]
    buddy_success(phone.ask("DELETE", "/users/me", here))


@pytest.mark.parametrize(
    ("method", "path"), [("PATCH", "/devices/current"), ("POST", "/users/me/logout"), ("POST", "/users/login")]
)
def test_a_location_that_is_none_is_refused_with_any_call(new_phone, method, path):
    phone = new_phone().sign_up()
    for location in ("52.5", "north,east", "nan,1", "1,2,3", 5, [1, 2]):
        refused = phone.ask(method, path, {"location": location})
        assert buddy_error(refused) == (400, "ParameterIncorrectFormat")
    assert phone.me().status == 200


DATES = {
    "/Date(1423002218900)/": 1423002218900,
    "/Date(-310262400000)/": -310262400000,
    "/Date(1423002218900+0100)/": 1423002218900,
    "1990-03-05": 636595200000,
    "1990-03-05T00:00:00Z": 636595200000,
    "1990-03-05T01:00:00+01:00": 636595200000,
    "1990-03-05T00:00:00.250": 636595200250,
    "Mar 5, 1990 12:00:00 AM": 636595200000,
    "Mar 5, 1990 12:00:00\u202fAM": 636595200000,
    "Jan 1, 1970, 12:00:00\u202fAM": 0,
    "Jan 1, 1970, 12:00:00\u00a0AM": 0,
    "Mar 5, 1990, 12:00:00 PM": 636638400000,
    "Mar 5, 1990, 12:00:00?AM": 636595200000,
    "Mar 05, 1960 1:30:00 PM": -310041000000,
}


@pytest.mark.parametrize(("given", "milliseconds"), DATES.items())
def test_dates_of_birth_come_as_wire_dates_as_iso_8601_and_as_androids(new_phone, given, milliseconds):
    phone = new_phone()
    phone.register_device()
    body = {"username": new_name(), "password": PASSWORD, "dateOfBirth": given}
    user = phone.call("POST", "/users", body, token=phone.app_token).json["result"]
    assert user["dateOfBirth"] == f"/Date({milliseconds})/"
    phone.access_token = user["accessToken"]
    buddy_success(phone.ask("PATCH", "/users/me", {"dateOfBirth": "2000-01-01"}))
    assert phone.me().json["result"]["dateOfBirth"] == "/Date(946684800000)/"
    buddy_success(phone.ask("PATCH", "/users/me", {"dateOfBirth": given}))
    assert phone.me().json["result"]["dateOfBirth"] == f"/Date({milliseconds})/"


GENDERS = {
    **dict.fromkeys(["male", "Male", "MALE", 1, "1"], "Male"),
    **dict.fromkeys(["female", "Female", "FEMALE", 2, "2"], "Female"),
    **dict.fromkeys([0, "0"]),
}


@pytest.mark.parametrize(("given", "shown"), GENDERS.items())
@pytest.mark.parametrize("as_form", [False, True])
def test_gender_comes_as_a_word_in_any_case_or_dotnets_number_and_goes_out_as_male_or_female(
    new_phone, given, shown, as_form
):
    phone = new_phone().sign_up()
    buddy_success(phone.ask("PATCH", "/users/me", {"gender": "female" if shown == "Male" else "male"}))
    content = urlencode({"gender": given}) if as_form else json.dumps({"gender": given})
    buddy_success(send(phone, "PATCH", "/users/me", content, kind=FORM if as_form else "application/json"))
    assert phone.me().json["result"].get("gender") == shown


# --- paths ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/users/me?", "/users/me?&", "/users/me/?", "/users/me?a=b&", "/users?", "/users?&"])
def test_gets_may_end_in_a_bare_question_mark_or_ampersand(new_phone, path):
    buddy_success(new_phone().sign_up().ask("GET", path))


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *[("GET", "/pictures"), ("POST", "/pictures"), ("GET", "/pictures/1"), ("POST", "/metrics/events/started")],
        *[("GET", "/metrics"), ("POST", "/game"), ("GET", "/checkins")],
    ],
)
def test_pictures_metrics_and_games_are_not_served(new_phone, method, path):
    assert buddy_error(new_phone().sign_up().ask(method, path)) == (404, "OperationNotFound")


# --- browsers ------------------------------------------------------------------------------------

ORIGIN = "https://app.example"


@pytest.fixture
def allowed_origin(settings):
    settings.CORS_ALLOWED_ORIGINS = [ORIGIN]


def preflight(phone, origin, method="POST"):
    asked = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": "authorization, content-type"}
    return phone.send("OPTIONS", "/users/me/logout", headers={"Origin": origin} | asked)


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE"])
def test_a_preflight_allows_authorization_and_content_type_to_an_origin_of_the_setting(
    new_phone, allowed_origin, method
):
    answer = preflight(new_phone(), ORIGIN, method)
    assert answer.status == 200
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert method in answer.headers["access-control-allow-methods"].split(", ")
    allowed = answer.headers["access-control-allow-headers"].lower().split(", ")
    assert {"authorization", "content-type"} <= set(allowed)


def test_another_origin_reads_answers_and_errors_if_it_is_one_of_the_setting(new_phone, allowed_origin):
    phone = new_phone().sign_up()
    for authorization in (f"Buddy {phone.access_token}", "Buddy dead"):
        for origin, told in [(ORIGIN, ORIGIN), ("https://evil.example", None)]:
            answer = phone.send("GET", "/users/me", headers={"Authorization": authorization, "Origin": origin})
            assert answer.headers.get("access-control-allow-origin") == told
    assert "access-control-allow-origin" not in preflight(phone, "https://evil.example").headers


def test_no_origin_is_allowed_without_the_setting(new_phone):
    assert "access-control-allow-origin" not in preflight(new_phone(), ORIGIN).headers
