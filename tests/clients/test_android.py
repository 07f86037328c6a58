"""The Android client, replayed. Two errors make it drop its tokens. It uses a logout's token. It can't read null."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from tests.clients.android import AndroidApp, newer_java_date, to_gson, to_milliseconds
from tests.clients.client import (
    ACCESS_TOKEN_INVALID,
    APP_CREDENTIALS_INVALID,
    AUTH_FAILED,
    BAD_USERNAME_OR_PASSWORD,
    NEW_PASSWORD,
    USER_TOKEN_REQUIRED,
    Result,
    log_out_elsewhere,
)
from tests.phones import PASSWORD, InProcess, device_token, new_name, reset_code_in
from users.models import Device, User

unsigned_and_signed = pytest.mark.parametrize("app", [False, True], ids=["unsigned", "signed"], indirect=True)
REGISTRATION = ("POST", "/devices", 201)


@pytest.fixture
def phone(in_process, app):
    """A phone whose user `ann` has signed up."""
    phone = AndroidApp(in_process, app)
    assert not phone.create_user("ann", PASSWORD, email="ann@example.org").error
    phone.wire.clear()
    return phone


@unsigned_and_signed
def test_someone_signs_up_logs_out_comes_back_and_is_logged_out_by_the_support(live, app):
    phone, name = AndroidApp(live, app), new_name()
    assert phone.create_user(name, PASSWORD).value["userName"] == name
    assert phone.log_in(name, PASSWORD).value["id"] == phone.user_id
    assert phone.call("GET", "/users/me").value["userName"] == name
    ended, registered = phone.user_token, phone.device_token
    assert not phone.log_out().error
    assert (phone.user_token, phone.logins_shown) == (None, 1)
    assert phone.device_token.text != registered.text

    # The token of the logout has no user, so the app shows its log-in page and keeps the token.
    assert phone.call("GET", "/users/me").number == USER_TOKEN_REQUIRED
    assert (phone.device_token is None, phone.logins_shown) == (False, 2)
    assert not phone.log_in(name, PASSWORD).error
    assert phone.call("GET", "/users/me").value["userName"] == name
    log_out_elsewhere(phone.user_id)
    assert phone.call("GET", "/users/me").number == ACCESS_TOKEN_INVALID
    assert (phone.user_token, phone.device_token) == (None, None)

    # The client has dropped all tokens, registers again, and gets the same device.
    assert not phone.log_in(name, PASSWORD).error
    assert phone.call("GET", "/users/me").value["userName"] == name
    assert phone.wire == [
        *[REGISTRATION, ("POST", "/users", 200), ("POST", "/users/login", 200), ("GET", "/users/me", 200)],
        *[("POST", "/users/me/logout", 200), ("GET", "/users/me", 403)],
        *[("POST", "/users/login", 200), ("GET", "/users/me", 200), ("GET", "/users/me", 401)],
        *[REGISTRATION, ("POST", "/users/login", 200), ("GET", "/users/me", 200)],
    ]
    assert Device.objects.get().unique_id == phone.android_id
    phone.user_token = ended
    assert phone.call("GET", "/users/me").number == ACCESS_TOKEN_INVALID


def test_the_description_of_the_phone_is_stored_though_its_version_comes_twice(phone):
    device = Device.objects.get()
    assert (device.platform, device.model, device.os_version) == ("Android", "Nexus 5", "5.1.1")
    assert device.app_version == "1.2 (12)"


def test_someone_signs_up_with_all_that_the_client_asks_for(in_process, app):
    phone = AndroidApp(in_process, app)
    born = datetime(1990, 12, 31, 23, 59, 59, tzinfo=UTC)
    facts = {"firstname": "Ann", "lastname": None, "gender": "male", "dateOfBirth": born, "tag": "a='b' <c>"}
    user = phone.create_user("ann", PASSWORD, **facts).value
    assert (user["firstName"], user["gender"], user["tag"]) == ("Ann", "Male", "a='b' <c>")
    assert to_milliseconds(user["dateOfBirth"]) == born.timestamp() * 1000


def test_a_date_of_birth_of_a_newer_java_loses_a_character_on_the_way_and_is_read_all_the_same(in_process, app):
    phone = AndroidApp(in_process, app)
    born = datetime(1970, 1, 1, tzinfo=UTC)
    sent = newer_java_date(born)
    assert sent == "Jan 1, 1970, 12:00:00\u202fAM"
    assert b"12:00:00?AM" in to_gson({"dateOfBirth": sent})
    assert to_milliseconds(phone.create_user("ann", PASSWORD, dateOfBirth=sent).value["dateOfBirth"]) == 0


def test_a_phone_without_an_android_id_is_a_new_device_each_time_it_registers(in_process, app):
    for _ in range(2):
        assert AndroidApp(in_process, app, android_id=None).call("GET", "/service/ping").value == "Pong"
    assert [device.unique_id for device in Device.objects.all()] == [None, None]


def test_a_wrong_app_key_is_told_by_its_name_and_the_call_is_never_made(in_process, app):
    phone = AndroidApp(in_process, app)
    phone.app_key = "wrong"
    assert phone.call("GET", "/service/ping").number == APP_CREDENTIALS_INVALID
    assert phone.wire == [("POST", "/devices", 401)]


def test_a_mistyped_password_costs_the_phone_no_token(phone):
    phone.log_out()
    kept = phone.device_token
    assert phone.log_in("ann", "wrong").number == BAD_USERNAME_OR_PASSWORD
    assert phone.device_token is kept
    assert not phone.log_in("ann", PASSWORD).error


def test_too_many_mistyped_passwords_cost_it_no_token_either(phone, settings):
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"login": (1, 60), "login_known": (1, 60)}
    phone.log_out()
    assert phone.log_in("ann", "wrong").number == BAD_USERNAME_OR_PASSWORD
    assert phone.log_in("ann", PASSWORD) == Result(None, "AuthFailed", AUTH_FAILED)
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=61)):
        assert not phone.log_in("ann", PASSWORD).error
    assert {path for _, path, _ in phone.wire} == {"/users/me/logout", "/users/login"}


def test_the_phone_never_sends_a_token_whose_time_is_over(phone, settings):
    now = datetime.now(UTC)
    with time_machine.travel(now + settings.SESSION_LIFETIME + timedelta(seconds=1)):
        assert phone.call("GET", "/users/me").number == USER_TOKEN_REQUIRED
    with time_machine.travel(now + settings.APP_SESSION_LIFETIME + timedelta(seconds=1)):
        assert phone.call("GET", "/users/me").number == USER_TOKEN_REQUIRED
    assert phone.wire == [("GET", "/users/me", 403), REGISTRATION, ("GET", "/users/me", 403)]
    assert Device.objects.count() == 1


# --- the profile ---------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/users/me", "own id"])
def test_a_profile_is_changed_in_javas_words_and_read_back(phone, path):
    path = f"/users/{phone.user_id}" if path == "own id" else path
    born = datetime(1960, 3, 5, 1, 30, tzinfo=UTC)
    changes = {"firstName": "Ann & Co.", "gender": "female", "dateOfBirth": born, "lastName": None}
    assert phone.call("PATCH", path, changes | {"location": "52.5,13.4"}) == Result(True)
    user = phone.call("GET", path).value
    assert (user["firstName"], user["gender"], user["location"]) == ("Ann & Co.", "Female", {"lat": 52.5, "lng": 13.4})
    assert to_milliseconds(user["dateOfBirth"]) == born.timestamp() * 1000 < 0
    for moment in ("created", "lastModified", "lastLogin"):
        assert to_milliseconds(user[moment]) > 0


def test_the_list_of_users_is_a_page_with_the_one_who_asks(phone):
    page = phone.call("GET", "/users", {"sortOrder": "-lastModified"}).value
    assert [user["userName"] for user in page["pageResults"]] == ["ann"]
    # The published sample app shows when users were last seen. Without that value it can't show the list.
    assert to_milliseconds(page["pageResults"][0]["lastLogin"]) > 0


def test_a_name_beyond_ascii_is_stored_as_it_was_typed(in_process, app):
    # The client sends its body in Latin-1 without declaring it.
    phone = AndroidApp(in_process, app)
    assert not phone.create_user("josé", PASSWORD).error
    assert User.objects.get().username == "josé"
    assert not phone.log_in("josé", PASSWORD).error


def test_who_deletes_the_account_has_a_phone_that_registers_anew(phone):
    assert phone.call("DELETE", "/users/me") == Result(True)
    assert phone.call("GET", "/users/me").number == ACCESS_TOKEN_INVALID
    assert phone.log_in("ann", PASSWORD).number == BAD_USERNAME_OR_PASSWORD
    assert phone.wire[2:] == [REGISTRATION, ("POST", "/users/login", 401)]


def test_a_forgotten_password_is_reset_before_the_login(phone, mailoutbox):
    phone.log_out()
    assert phone.call("POST", "/users/password", {"userName": "ann", "subject": "S", "body": "B"}) == Result(True)
    reset = {"userName": "ann", "newPassword": NEW_PASSWORD}
    assert phone.call("PATCH", "/users/password", reset | {"resetCode": "guess"}).number == AUTH_FAILED
    assert phone.call("PATCH", "/users/password", reset | {"resetCode": reset_code_in(mailoutbox[0])}) == Result(True)
    assert phone.log_in("ann", PASSWORD).number == BAD_USERNAME_OR_PASSWORD
    assert not phone.log_in("ann", NEW_PASSWORD).error
    assert REGISTRATION not in phone.wire


# --- pushes --------------------------------------------------------------------------------------


def test_the_users_pushes_stop_with_the_logout_and_come_back_with_the_login(phone):
    assert phone.set_push_token("gcm").value["uniqueId"] == phone.android_id
    pushed_to = device_token("gcm")
    assert pushed_to.user_id == phone.user_id
    phone.log_out()
    pushed_to.refresh_from_db()
    assert (pushed_to.user_id, pushed_to.device) == (None, Device.objects.get())
    phone.log_in("ann", PASSWORD)
    pushed_to.refresh_from_db()
    assert pushed_to.user_id == phone.user_id


def test_a_phone_that_registers_anew_brings_its_push_token(phone):
    phone.set_push_token("gcm")
    log_out_elsewhere(phone.user_id)
    phone.call("GET", "/users/me")
    phone.log_in("ann", PASSWORD)
    assert device_token("gcm").user_id == phone.user_id


def test_no_push_token_leaves_the_pushes_as_they_are_and_an_empty_one_stops_them(phone):
    phone.set_push_token("gcm")
    for token, user_id in [(None, phone.user_id), ("", None)]:
        assert not phone.set_push_token(token).error
        assert device_token("gcm").user_id == user_id


def test_what_other_services_have_is_no_reason_to_log_anybody_out(phone):
    for method, path in [
        ("POST", "/metrics/events/start"),
        ("POST", "/notifications/received/1"),
        ("GET", "/pictures"),
    ]:
        assert phone.call(method, path).error == "OperationNotFound"
    assert phone.call("GET", "/users/me").value["userName"] == "ann"


def test_two_phones_of_one_user_are_logged_out_one_by_one(phone, app):
    other = AndroidApp(InProcess(), app, android_id="another")
    other.log_in("ann", PASSWORD)
    other.log_out()
    assert other.call("GET", "/users/me").number == USER_TOKEN_REQUIRED
    assert phone.call("GET", "/users/me").value["userName"] == "ann"
