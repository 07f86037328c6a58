"""The .NET client, replayed. It sends genders as numbers, sends nulls, and ignores the token of a second log-in."""

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
from tests.clients.dotnet import DotNetApp, to_user
from tests.phones import PASSWORD, device_token, new_name, promote, reset_code_in
from users.models import CrashReport, Device, User

unsigned_and_signed = pytest.mark.parametrize("app", [False, True], ids=["unsigned", "signed"], indirect=True)
REGISTRATION = ("POST", "/devices", 201)


@pytest.fixture
def desktop(in_process, app):
    """A desktop app whose user `ann` has signed up."""
    desktop = DotNetApp(in_process, app)
    assert not desktop.create_user("ann", PASSWORD, email="ann@example.org").error
    desktop.wire.clear()
    return desktop


@unsigned_and_signed
def test_someone_signs_up_logs_out_comes_back_and_is_logged_out_by_the_support(live, app):
    desktop, name = DotNetApp(live, app), new_name()
    assert desktop.create_user(name, PASSWORD).value["username"] == name
    assert desktop.current_user().value["username"] == name
    user_id, ended, registered = desktop.user_id, desktop.user_token, desktop.device_token
    assert not desktop.log_out().error
    assert (desktop.user_token, desktop.logins_shown) == (None, 1)
    assert desktop.device_token != registered

    # The token of the logout has no user, so the app shows its log-in page and keeps the token.
    assert desktop.call("GET", "/users/me").number == USER_TOKEN_REQUIRED
    assert (desktop.device_token is None, desktop.logins_shown) == (False, 2)
    assert desktop.log_in(name, PASSWORD).value["id"] == user_id
    assert desktop.current_user().value["username"] == name
    log_out_elsewhere(user_id)
    assert desktop.current_user().number == ACCESS_TOKEN_INVALID
    assert (desktop.user_token, desktop.device_token, desktop.logins_shown) == (None, None, 3)

    # The client has dropped all tokens, registers again, and gets the same device.
    assert desktop.log_in(name, PASSWORD).value["id"] == user_id
    assert desktop.current_user().value["username"] == name
    assert desktop.wire == [
        *[REGISTRATION, ("POST", "/users", 200), ("GET", "/users/me?", 200)],
        *[("POST", "/users/me/logout", 200), ("GET", "/users/me?", 403)],
        *[("POST", "/users/login", 200), ("GET", "/users/me?", 200), ("GET", "/users/me?", 401)],
        *[REGISTRATION, ("POST", "/users/login", 200), ("GET", "/users/me?", 200)],
    ]
    assert Device.objects.get().unique_id == desktop.unique_id
    desktop.user_token = ended
    assert desktop.call("GET", "/users/me").number == ACCESS_TOKEN_INVALID


def test_who_logs_in_again_without_a_logout_is_still_logged_in(desktop):
    # Apps log in at each start, or right after the sign-up. The client then keeps using the first token.
    assert not desktop.log_in("ann", PASSWORD).error
    assert desktop.current_user().error is None
    assert desktop.logins_shown == 0


def test_a_second_user_takes_the_first_ones_place(desktop):
    first = desktop.user_token
    desktop.create_user("ben", PASSWORD)
    assert desktop.current_user().value["username"] == "ben"
    desktop.user_token = first
    assert desktop.call("GET", "/users/me").number == ACCESS_TOKEN_INVALID


def test_the_machine_is_described_by_its_registration(desktop):
    device = Device.objects.get()
    assert (device.platform, device.os_version) == (".NET", "Microsoft Windows NT 6.3.9600.0")
    assert (device.app_version, device.model, device.tag) == ("1.0.0.0", "", "")


def test_a_wrong_app_key_drops_all_tokens_and_the_call_behind_it_is_refused(in_process, app):
    desktop = DotNetApp(in_process, app)
    desktop.app_key = "wrong"
    assert desktop.current_user().number == ACCESS_TOKEN_INVALID
    assert desktop.wire == [("POST", "/devices", 401), ("GET", "/users/me?", 401)]
    assert (desktop.device_token, desktop.logins_shown) == (None, 1)


def test_too_many_mistyped_passwords_cost_it_no_token(desktop, settings):
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"login": (1, 60), "login_known": (1, 60)}
    desktop.log_out()
    assert desktop.log_in("ann", "wrong").number == BAD_USERNAME_OR_PASSWORD
    assert desktop.log_in("ann", PASSWORD).number == AUTH_FAILED
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=61)):
        assert not desktop.log_in("ann", PASSWORD).error
    assert REGISTRATION not in desktop.wire


# --- the profile ---------------------------------------------------------------------------------


@pytest.mark.parametrize("gender", [0, 1, 2, None])
def test_gender_is_sent_by_number_and_read_by_name(in_process, app, gender):
    desktop = DotNetApp(in_process, app)
    user = to_user(desktop.create_user("ann", PASSWORD, gender=gender).value)
    assert user.get("gender") == (gender or None)
    assert desktop.call("PATCH", "/users/me", {"gender": 2, "tag": None}) == Result(True)
    assert to_user(desktop.current_user().value)["gender"] == 2
    assert desktop.call("PATCH", "/users/me", {"gender": 0}) == Result(True)
    assert "gender" not in desktop.current_user().value


@pytest.mark.parametrize(
    "born", [datetime(1990, 3, 5, tzinfo=UTC), datetime(1960, 3, 4, 23, 59, 59, 123456, tzinfo=UTC)]
)
def test_a_date_of_birth_has_seven_digits_behind_the_point_or_none(desktop, born):
    path = f"/users/{desktop.user_id}"
    assert desktop.call("PATCH", path, {"dateOfBirth": born, "location": "52.5,13.4"}) == Result(True)
    user = to_user(desktop.call("GET", path).value)
    assert user["dateofbirth"] == int(born.timestamp() * 1000 // 1)
    assert user["location"] == (52.5, 13.4)
    assert user["created"] > 0
    assert user["lastmodified"] >= user["created"]


def test_the_first_page_of_users_is_asked_for_with_the_clients_own_paging_token(desktop):
    # The format is "size;offset". Without a token from an earlier page, the client makes up the first one.
    page = desktop.call("GET", "/users", {"ownerID": None, "username": None, "pagingToken": "100;0"})
    assert page.error is None
    assert [user["username"] for user in page.value["pageresults"]] == ["ann"]


def test_staff_turn_the_pages_of_users_to_the_end_and_back(desktop):
    names = [f"user{number}" for number in range(4)]
    for name in names:
        User.objects.create_user(name)
    promote(desktop, "users.view_user")
    pages = [desktop.call("GET", "/users", {"limit": 2}).value]
    while token := pages[-1].get("nexttoken"):
        pages.append(desktop.call("GET", "/users", {"pagingToken": token}).value)
    shown = [[user["username"] for user in page["pageresults"]] for page in pages]
    assert shown == [["user3", "user2"], ["user1", "user0"], ["ann"]]
    back = desktop.call("GET", "/users", {"pagingToken": pages[-1]["previoustoken"]}).value
    assert [user["username"] for user in back["pageresults"]] == shown[1]


def test_an_account_that_is_deleted_with_an_empty_object_leaves_nobody_logged_in(desktop):
    assert desktop.call("DELETE", f"/users/{desktop.user_id}") == Result(True)
    assert desktop.current_user().number == ACCESS_TOKEN_INVALID
    assert desktop.log_in("ann", PASSWORD).number == BAD_USERNAME_OR_PASSWORD
    assert desktop.wire[2:] == [REGISTRATION, ("POST", "/users/login", 401)]


def test_a_password_that_is_reset_while_logged_in_logs_out_and_lets_in_again(desktop, mailoutbox):
    asked = {"userName": "ann", "subject": "Your code", "body": "Here it is: @ResetCode"}
    assert desktop.call("POST", "/users/password", asked) == Result(True)
    reset = {"userName": "ann", "newPassword": NEW_PASSWORD}
    # A wrong code is an authentication error, but the app must not forget who is logged in.
    assert desktop.call("PATCH", "/users/password", reset | {"resetCode": "guess"}).number == AUTH_FAILED
    assert desktop.current_user().value["username"] == "ann"
    code = reset_code_in(mailoutbox[0])
    assert desktop.call("PATCH", "/users/password", reset | {"resetCode": code}) == Result(True)
    assert desktop.current_user().number == ACCESS_TOKEN_INVALID
    assert desktop.log_in("ann", PASSWORD).number == BAD_USERNAME_OR_PASSWORD
    assert not desktop.log_in("ann", NEW_PASSWORD).error


# --- pushes --------------------------------------------------------------------------------------


def test_the_users_pushes_stop_with_the_logout_and_come_back_with_the_login(desktop):
    user_id = desktop.user_id
    device = desktop.update_device("wns").value
    assert (device["uniqueid"], device["isproduction"]) == (desktop.unique_id, True)
    pushed_to = device_token("wns")
    assert pushed_to.user_id == user_id
    for change, owner in [(desktop.log_out, None), (lambda: desktop.log_in("ann", PASSWORD), user_id)]:
        assert not change().error
        pushed_to.refresh_from_db()
        assert (pushed_to.user_id, pushed_to.device) == (owner, Device.objects.get())


@pytest.mark.parametrize("message", ["Object reference not set", None])
def test_a_crash_is_reported_and_answered_by_a_plain_value_which_the_client_reads_as_a_text(desktop, message):
    report = {"stackTrace": "at Sample.Main()", "message": message}
    assert desktop.call("POST", "/devices/current/crashreports", report) == Result(True)
    kept = CrashReport.objects.get()
    assert (kept.device, kept.stack_trace, kept.message) == (Device.objects.get(), "at Sample.Main()", message or "")
    assert desktop.current_user().value["username"] == "ann"
