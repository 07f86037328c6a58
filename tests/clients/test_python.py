"""The Python client, replayed. It keeps its tokens in an ini file and uses them again at its next start."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from tests.clients.client import (
    ACCESS_TOKEN_INVALID,
    AUTH_FAILED,
    BAD_USERNAME_OR_PASSWORD,
    NEW_PASSWORD,
    USER_TOKEN_REQUIRED,
    log_out_elsewhere,
)
from tests.clients.python import PythonScript
from tests.commands.terminal import manage
from tests.phones import PASSWORD, device_token, new_name, reset_code_in
from users.models import Device

REGISTRATION = ("POST", "/devices", 201)


@pytest.fixture
def settings_file(tmp_path):
    return tmp_path / "buddy.cfg"


@pytest.fixture
def script(in_process, app, settings_file):
    """A script whose user `ann` has signed up."""
    script = PythonScript(in_process, app, settings=settings_file)
    script.create_user("ann", PASSWORD, email="ann@example.org")
    script.wire.clear()
    return script


def test_someone_signs_up_logs_out_comes_back_and_is_logged_out_by_the_support(live, app, settings_file):
    script, name = PythonScript(live, app, settings=settings_file), new_name()
    # No user yet: the client reports that a log-in is needed, and the script keeps the token of the registration.
    assert script.get("/users", {})["errorNumber"] == USER_TOKEN_REQUIRED
    assert script.logins_asked == 1
    registered = script.token
    script.create_user(name, PASSWORD)
    assert script.log_in(name, PASSWORD)["result"]["id"] == script.user_id
    assert script.get("/users/me")["result"]["userName"] == name

    # The client does not call the server, so the script must do it. The token of the answer has no user.
    ended, user_id = script.token, script.user_id
    assert script.post("/users/me/logout", {})["result"]["accessToken"] != registered
    script.log_out()
    assert (script.token, script.user_id) == (registered, None)
    assert script.get("/users/me")["errorNumber"] == USER_TOKEN_REQUIRED
    assert script.log_in(name, PASSWORD)["result"]["id"] == user_id
    assert script.get("/users/me")["result"]["userName"] == name

    # No error makes the client drop a token. It gets the same error until the user logs in.
    log_out_elsewhere(user_id)
    for asked in (3, 4):
        assert script.get("/users/me")["errorNumber"] == ACCESS_TOKEN_INVALID
        assert (script.logins_asked, script.user_id) == (asked, user_id)
    script.log_out()
    assert script.token == registered
    assert script.log_in(name, PASSWORD)["result"]["id"] == user_id
    assert script.get("/users/me")["result"]["userName"] == name
    assert script.wire == [
        *[REGISTRATION, ("GET", "/users", 403), ("POST", "/users", 200), ("POST", "/users/login", 200)],
        *[("GET", "/users/me", 200), ("POST", "/users/me/logout", 200), ("GET", "/users/me", 403)],
        *[("POST", "/users/login", 200), ("GET", "/users/me", 200)],
        *[("GET", "/users/me", 401)] * 2,
        *[("POST", "/users/login", 200), ("GET", "/users/me", 200)],
    ]
    assert live("GET", "/users/me", headers={"Authorization": f"Buddy {ended}"}).status == 401


def test_a_script_that_is_started_again_is_still_logged_in(script, in_process, app, settings_file):
    again = PythonScript(in_process, app, settings=settings_file)
    assert again.get("/users/me")["result"]["id"] == again.user_id == script.user_id
    assert again.wire == [("GET", "/users/me", 200)]


def test_a_script_that_has_lost_its_file_is_the_same_device_by_its_number(script, in_process, app, settings_file):
    settings_file.unlink()
    again = PythonScript(in_process, app, settings=settings_file)
    again.log_in("ann", PASSWORD)
    assert again.wire == [REGISTRATION, ("POST", "/users/login", 200)]
    device = Device.objects.get()
    assert (device.unique_id, device.platform, device.model) == ("345052807169", "linux", "BCM2708-000e")
    # There are two registrations. The newer one does not log out the script with the older file.
    assert script.get("/users/me")["result"]["id"] == again.user_id


def test_the_script_never_sends_a_token_whose_time_is_over(script, settings):
    now = datetime.now(UTC)
    with time_machine.travel(now + settings.SESSION_LIFETIME + timedelta(seconds=1)):
        assert script.get("/users/me")["errorNumber"] == USER_TOKEN_REQUIRED
    with time_machine.travel(now + settings.APP_SESSION_LIFETIME + timedelta(seconds=1)):
        assert script.get("/users/me")["errorNumber"] == USER_TOKEN_REQUIRED
    assert script.wire == [("GET", "/users/me", 403), REGISTRATION, ("GET", "/users/me", 403)]


def test_an_error_breaks_a_login_and_leaves_the_script_what_it_had(script, settings):
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"login": (1, 60), "login_known": (1, 60)}
    kept = script.token
    for status in (401, 429):
        with pytest.raises(KeyError, match="result"):
            script.log_in("ann", "wrong")
        assert script.wire[-1] == ("POST", "/users/login", status)
    # Only the first call asked for a log-in.
    assert (script.logins_asked, script.token) == (1, kept)
    assert script.get("/users/me")["result"]["userName"] == "ann"


def test_a_logout_that_the_server_is_not_told_of_leaves_the_session_live_beside_the_next_users(script, in_process):
    # The token of the registration has no user, so it ends no session.
    first = script.token
    script.log_out()
    script.create_user("ben", PASSWORD)
    assert script.get("/users/me")["result"]["userName"] == "ben"
    assert in_process("GET", "/users/me", headers={"Authorization": f"Buddy {first}"}).status == 200
    assert manage("logout --user ann").code == 0
    assert in_process("GET", "/users/me", headers={"Authorization": f"Buddy {first}"}).status == 401
    assert script.get("/users/me")["result"]["userName"] == "ben"


# --- the profile ---------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/users/me", "own id"])
def test_a_profile_is_changed_and_read_back_with_the_place_in_every_call(script, path):
    path = f"/users/{script.user_id}" if path == "own id" else path
    script.last_location = (42.0, -42.5)  # "42.0, -42.5", with a blank
    changes = {"firstName": "Zoë", "gender": "female", "dateOfBirth": "1990-03-05T00:00:00", "tag": None}
    assert script.patch(path, changes)["result"] is True
    user = script.get(path, {})["result"]
    assert (user["firstName"], user["gender"], user["dateOfBirth"]) == ("Zoë", "Female", "/Date(636595200000)/")
    assert user["location"] == {"lat": 42.0, "lng": -42.5}
    assert script.get("/users", {"limit": 1})["result"]["pageResults"] == [user]
    assert script.wire[1][1] == f"{path}?location=42.0%2C+-42.5"


def test_who_deletes_the_account_goes_on_with_the_registrations_token(script):
    assert script.delete("/users/me", {})["result"] is True
    assert script.get("/users/me")["errorNumber"] == ACCESS_TOKEN_INVALID
    script.log_out()
    assert script.get("/users/me")["errorNumber"] == USER_TOKEN_REQUIRED
    assert script.create_user("ann", PASSWORD)["result"]["userName"] == "ann"
    assert REGISTRATION not in script.wire


def test_a_forgotten_password_is_reset_before_the_login(script, mailoutbox):
    script.log_out()
    assert script.post("/users/password", {"userName": "ann", "subject": "S", "body": "B"})["result"] is True
    reset = {"userName": "ann", "newPassword": NEW_PASSWORD}
    wrong = script.patch("/users/password", reset | {"resetCode": "guess"})
    assert wrong["errorNumber"] == AUTH_FAILED
    assert script.patch("/users/password", reset | {"resetCode": reset_code_in(mailoutbox[0])})["result"] is True
    old = script.post("/users/login", {"username": "ann", "password": PASSWORD})
    assert old["errorNumber"] == BAD_USERNAME_OR_PASSWORD
    script.log_in("ann", NEW_PASSWORD)
    assert script.get("/users/me")["result"]["userName"] == "ann"


def test_the_users_pushes_stop_with_the_logout_that_the_server_is_told_of(script):
    device = script.patch("/devices/current", {"pushToken": "a topic", "isProduction": False})["result"]
    assert (device["uniqueId"], device["isProduction"]) == ("345052807169", False)
    pushed_to = device_token("a topic")
    assert pushed_to.user_id == script.user_id
    script.post("/users/me/logout", {})
    script.log_out()
    pushed_to.refresh_from_db()
    assert (pushed_to.user_id, pushed_to.device) == (None, Device.objects.get())
