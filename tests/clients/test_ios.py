"""The iOS client, replayed. It keeps its registration's token, knows errors by number, and knows eleven statuses."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from tests.clients.client import (
    ACCESS_TOKEN_INVALID,
    AUTH_FAILED,
    BAD_USERNAME_OR_PASSWORD,
    NEW_PASSWORD,
    USER_TOKEN_REQUIRED,
    Result,
    log_out_elsewhere,
)
from tests.clients.ios import NO_INTERNET, IOSApp
from tests.phones import PASSWORD, device_token, new_name, reset_code_in
from users.models import Device, User

unsigned_and_signed = pytest.mark.parametrize("app", [False, True], ids=["unsigned", "signed"], indirect=True)
START = [("POST", "/devices", 201), ("PATCH", "/devices/current", 200)]
PING = ("GET", "/service/ping?", 200)


@pytest.fixture
def phone(in_process, app):
    """A phone whose user `ann` has signed up."""
    phone = IOSApp(in_process, app)
    assert not phone.create_user("ann", PASSWORD, email="ann@example.org").error
    phone.wire.clear()
    return phone


@unsigned_and_signed
def test_someone_signs_up_logs_out_comes_back_and_is_logged_out_by_the_support(live, app):
    phone, name = IOSApp(live, app), new_name()
    registered = phone.device_token
    assert phone.create_user(name, PASSWORD).value["userName"] == name
    assert phone.log_in(name, PASSWORD).value["userName"] == name
    ended, user_id = phone.user_token, phone.call("GET", "/users/me").value["id"]
    assert not phone.log_out().error
    assert phone.token == registered

    # The token of the registration outlives the user's token. It has no user, so the app shows its log-in page.
    assert phone.call("GET", "/users/me").number == USER_TOKEN_REQUIRED
    assert (phone.token, phone.logins_shown) == (registered, 1)
    assert phone.log_in(name, PASSWORD).value["id"] == user_id
    assert phone.call("GET", "/users/me").value["id"] == user_id
    log_out_elsewhere(user_id)
    assert phone.call("GET", "/users/me").number == ACCESS_TOKEN_INVALID
    assert phone.token is None

    # The client has dropped all tokens, registers again, and gets the same device.
    assert phone.log_in(name, PASSWORD).value["id"] == user_id
    assert phone.call("GET", "/users/me").value["id"] == user_id
    assert phone.wire == [
        *[*START, ("POST", "/users", 200), ("POST", "/users/login", 200), ("GET", "/users/me?", 200)],
        *[("POST", "/users/me/logout", 200), ("GET", "/users/me?", 403)],
        *[("POST", "/users/login", 200), ("GET", "/users/me?", 200), ("GET", "/users/me?", 401)],
        *[START[0], ("POST", "/users/login", 200), ("GET", "/users/me?", 200)],
    ]
    assert Device.objects.get().unique_id == phone.vendor_id
    phone.user_token = ended
    assert phone.call("GET", "/users/me").number == ACCESS_TOKEN_INVALID


def test_the_phone_is_described_by_its_registration_though_half_of_that_is_null(phone):
    device = Device.objects.get()
    assert (device.platform, device.model, device.os_version) == ("iOS", "iPhone7,2", "8.4")
    assert (device.app_version, device.tag) == ("", "")


def test_a_wrong_app_key_is_told_and_the_call_behind_it_is_refused_for_want_of_a_token(in_process, app):
    phone = IOSApp(in_process, app)
    phone.app_key, phone.device_token, phone.user_token = "wrong", None, "kept from another app"
    phone.wire.clear()
    assert phone.call("GET", "/users/me").number == ACCESS_TOKEN_INVALID
    assert phone.wire == [("POST", "/devices", 401), ("GET", "/users/me?", 401)]
    assert (phone.token, phone.connected) == (None, True)


# --- errors --------------------------------------------------------------------------------------


REFUSALS = {
    "a wrong password": ("POST", "users/login", {"username": "ann", "password": "x"}, BAD_USERNAME_OR_PASSWORD),
    "a disabled account": ("POST", "users/login", {"username": "bob", "password": PASSWORD}, 0x108),
    "no user name": ("POST", "users", {"password": PASSWORD}, 0x201),
    "a user name that is taken": ("POST", "users", {"username": "Ann", "password": PASSWORD}, 0x302),
    "too long a tag": ("PATCH", "users/me", {"tag": "x" * 5000}, 0x202),
    "a strange date of birth": ("PATCH", "users/me", {"dateofbirth": "yesterday"}, 0x203),
    "too much of everything": ("PATCH", "users/me", {"tag": "x" * 3_000_000}, 0x202),
    "a strange id": ("GET", "users/bv.HrcbbDkMPgfn", None, 0x202),
    "somebody else": ("GET", f"users/{'0' * 24}", None, 0x303),
    "a picture": ("POST", "pictures", {"caption": "Hello"}, 0x204),
    "a method that there is not": ("PUT", "users/me", {"tag": "t"}, 0x204),
}


@pytest.mark.parametrize(("method", "path", "parameters", "number"), REFUSALS.values(), ids=REFUSALS)
def test_a_refusal_is_told_and_not_taken_for_no_internet(phone, method, path, parameters, number):
    User.objects.create_user("bob", PASSWORD, is_active=False)
    refused = phone.call(method, path, parameters)
    assert refused.number == number
    assert refused.value  # a message for the user
    assert PING not in phone.wire
    # None of these errors logs the user out.
    assert phone.call("GET", "users/me").value["userName"] == "ann"


def test_too_many_logins_are_no_internet_until_the_first_ping_and_cost_no_token(phone, settings):
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"login": (1, 60), "login_known": (1, 60)}
    phone.log_out()
    assert phone.log_in("ann", "wrong").number == BAD_USERNAME_OR_PASSWORD
    assert phone.log_in("ann", PASSWORD) == Result(None, NO_INTERNET, 429)
    assert (phone.wire[-1], phone.connected) == (PING, True)
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=61)):
        assert not phone.log_in("ann", PASSWORD).error
    assert START[0] not in phone.wire


def test_too_many_registrations_are_no_internet_and_the_phone_registers_when_it_may(in_process, app, settings):
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"device": (1, 60)}
    phone = IOSApp(in_process, app)
    phone.device_token = None
    # The client's ping also asks for a registration, but the answer contains none.
    assert phone.call("GET", "users/me").number == ACCESS_TOKEN_INVALID
    assert phone.wire[2:] == [("POST", "/devices", 429)] * 2 + [PING, ("GET", "/users/me?", 401)]
    assert phone.connected
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=61)):
        assert phone.call("GET", "users/me").number == USER_TOKEN_REQUIRED


def test_a_ping_with_a_dead_token_is_answered(phone):
    phone.device_token = phone.user_token = "dead"
    assert phone.call("GET", "/service/ping") == Result("Pong")


def test_an_older_release_that_registers_with_its_dead_token_in_the_header_is_registered(phone):
    # The client drops the token, but not the header that it made from it.
    log_out_elsewhere(User.objects.get().pk)
    phone.headers = phone.headers | {"Authorization": f"Buddy {phone.user_token}"}
    assert phone.call("GET", "users/me").number == ACCESS_TOKEN_INVALID
    assert not phone.log_in("ann", PASSWORD).error
    assert phone.wire[1:] == [START[0], ("POST", "/users/login", 200)]


def test_an_older_release_that_names_the_charset_of_its_json_is_understood(phone):
    phone.headers = phone.headers | {"Content-Type": "application/json; charset=utf-8"}
    assert phone.call("PATCH", "users/me", {"firstname": "Zoë"}) == Result(True)
    assert phone.call("GET", "users/me").value["firstName"] == "Zoë"


# --- the profile ---------------------------------------------------------------------------------


@pytest.mark.parametrize("born", [datetime(1990, 3, 5, tzinfo=UTC), datetime(1960, 3, 5, 12, tzinfo=UTC)])
def test_someone_signs_up_with_a_date_of_birth_in_escaped_slashes(in_process, app, born):
    phone = IOSApp(in_process, app)
    facts = {"firstname": "José", "lastname": "Ñ/A", "gender": "female", "dateofbirth": born}
    user = phone.create_user("jose", PASSWORD, **facts, tag="🏠").value
    assert (user["firstName"], user["lastName"], user["gender"], user["tag"]) == ("José", "Ñ/A", "Female", "🏠")
    assert user["dateOfBirth"] == f"/Date({int(born.timestamp() * 1000)})/"


def test_where_the_phone_is_goes_with_every_call_and_comes_back_as_a_place(phone):
    here = {"location": "52.5200,13.4050"}
    for method, path in [("GET", "users/me"), ("PATCH", "users/me"), ("GET", "users"), ("GET", "service/ping")]:
        assert not phone.call(method, path, here).error
    assert phone.call("GET", "users/me").value["location"] == {"lat": 52.52, "lng": 13.405}
    assert phone.call("DELETE", "users/me", here) == Result(True)


def test_the_first_page_of_users_is_asked_for_with_the_clients_own_paging_token(phone):
    # The format is "size;offset". Without a token from an earlier page, the client makes up the first one.
    page = phone.call("GET", "users", {"pagingToken": "100;0"})
    assert page.error is None
    assert [user["userName"] for user in page.value["pageResults"]] == ["ann"]


def test_who_deletes_the_account_has_a_phone_that_registers_anew(phone):
    user_id = User.objects.get().pk
    assert phone.call("DELETE", f"users/{user_id}") == Result(True)
    assert phone.call("GET", "users/me").number == ACCESS_TOKEN_INVALID
    assert phone.log_in("ann", PASSWORD).number == BAD_USERNAME_OR_PASSWORD
    assert phone.wire[2:] == [START[0], ("POST", "/users/login", 401)]


def test_a_password_that_is_reset_while_logged_in_logs_out_and_lets_in_again(phone, mailoutbox):
    assert phone.call("POST", "users/password", {"username": "ann", "subject": None, "body": None}) == Result(True)
    reset = {"username": "ann", "newPassword": NEW_PASSWORD}
    # A wrong code is an authentication error, but the app must not forget who is logged in.
    assert phone.call("PATCH", "users/password", reset | {"resetCode": "guess"}).number == AUTH_FAILED
    assert phone.call("GET", "users/me").value["userName"] == "ann"
    code = reset_code_in(mailoutbox[0])
    assert phone.call("PATCH", "users/password", reset | {"resetCode": code}) == Result(True)
    assert phone.call("GET", "users/me").number == ACCESS_TOKEN_INVALID
    assert phone.log_in("ann", PASSWORD).number == BAD_USERNAME_OR_PASSWORD
    assert not phone.log_in("ann", NEW_PASSWORD).error


# --- pushes --------------------------------------------------------------------------------------


def test_the_users_pushes_stop_with_the_logout_and_come_back_with_the_login(phone):
    user_id = User.objects.get().pk
    assert phone.set_push_token("apns").value["uniqueId"] == phone.vendor_id
    pushed_to = device_token("apns")
    assert pushed_to.user_id == user_id
    for change, owner in [(phone.log_out, None), (lambda: phone.log_in("ann", PASSWORD), user_id)]:
        assert not change().error
        pushed_to.refresh_from_db()
        assert (pushed_to.user_id, pushed_to.device) == (owner, Device.objects.get())


def test_a_phone_that_registers_anew_brings_its_push_token_under_its_other_name(phone):
    phone.set_push_token("apns")
    log_out_elsewhere(User.objects.get().pk)
    phone.call("GET", "users/me")
    phone.log_in("ann", PASSWORD)
    assert device_token("apns").user == User.objects.get()
