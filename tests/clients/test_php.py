"""The PHP client, replayed. It raises at every error and keeps its tokens in an ini file."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from tests.clients.client import log_out_elsewhere
from tests.clients.php import GuzzleError, PHPScript
from tests.commands.terminal import manage
from tests.phones import PASSWORD, new_name
from users.models import Device, DeviceToken, User

REGISTRATION = ("POST", "/devices", 201)


@pytest.fixture
def script(in_process, app):
    """A script whose user `ann` has signed up."""
    script = PHPScript(in_process, app)
    script.create_user("ann", PASSWORD, email="ann@example.org")
    script.wire.clear()
    return script


def refuse(status, call, *arguments):
    with pytest.raises(GuzzleError, match=str(status)):
        call(*arguments)


def test_someone_signs_up_logs_out_comes_back_and_is_logged_out_by_the_support(live, app):
    script, name = PHPScript(live, app), new_name()
    script.create_user(name, PASSWORD)
    user_id, registered = script.ini["user_id"], script.ini["device_access_token"]
    assert script.log_in(name, PASSWORD)["result"]["id"] == user_id
    assert script.get("/users/me")["result"]["userName"] == name

    # The client does not call the server. The script must do it, with an empty array as parameters.
    ended = script.token
    assert script.post("/users/me/logout", {})["result"]["accessToken"] != registered
    script.log_out()
    assert script.token == registered
    refuse(403, script.get, "/users/me")
    assert script.token == registered
    assert script.log_in(name, PASSWORD)["result"]["id"] == user_id
    assert script.get("/users/me")["result"]["userName"] == name

    # No error makes the client drop a token.
    log_out_elsewhere(user_id)
    for _ in range(2):
        refuse(401, script.get, "/users/me")
    script.log_out()
    assert script.log_in(name, PASSWORD)["result"]["id"] == user_id
    assert script.get("/users/me")["result"]["userName"] == name
    assert script.wire == [
        *[REGISTRATION, ("POST", "/users", 200), ("POST", "/users/login", 200), ("GET", "/users/me", 200)],
        *[("POST", "/users/me/logout", 200), ("GET", "/users/me", 403)],
        *[("POST", "/users/login", 200), ("GET", "/users/me", 200)],
        *[("GET", "/users/me", 401)] * 2,
        *[("POST", "/users/login", 200), ("GET", "/users/me", 200)],
    ]
    assert live("GET", "/users/me", headers={"Authorization": f"Buddy {ended}"}).status == 401


def test_a_script_that_runs_again_with_the_same_file_is_still_logged_in(script, in_process, app):
    again = PHPScript(in_process, app, ini=script.ini)
    assert again.get("/users/me")["result"]["id"] == script.ini["user_id"]
    assert again.wire == [("GET", "/users/me", 200)]


def test_a_registration_with_half_of_it_empty_is_one_device_however_often_it_comes(script, in_process, app):
    PHPScript(in_process, app).log_in("ann", PASSWORD)
    device = Device.objects.get()
    assert (device.unique_id, device.platform) == ("4b340550242239.64159797", "Linux")
    assert (device.model, device.os_version) == ("", "")


def test_a_model_that_its_detection_does_not_know_is_false_and_taken_for_left_out(script, in_process, app):
    for model in ("Pixel", False):
        # While somebody is logged in on the device, a registration does not change its description.
        assert manage("logout --everyone --reason test").code == 0
        PHPScript(in_process, app, model=model).log_in("ann", PASSWORD)
    assert Device.objects.get().model == "Pixel"


def test_a_login_whose_time_is_over_keeps_the_registrations_token_from_being_used(script, settings):
    with time_machine.travel(datetime.now(UTC) + settings.SESSION_LIFETIME + timedelta(seconds=1)):
        # The client registers, but ignores the new token. So it sends none.
        refuse(401, script.get, "/users/me")
        assert script.wire == [REGISTRATION, ("GET", "/users/me", 401)]
        script.log_out()
        assert script.log_in("ann", PASSWORD)["result"]["userName"] == "ann"


def test_mistyped_passwords_cost_the_script_no_token(script, settings):
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"login": (1, 60), "login_known": (1, 60)}
    kept = dict(script.ini)
    for status in (401, 429):
        refuse(status, script.log_in, "ann", "wrong")
    assert script.ini == kept
    assert script.get("/users/me")["result"]["userName"] == "ann"


def test_a_wrong_app_key_leaves_the_script_without_a_token(in_process, app):
    script = PHPScript(in_process, app)
    script.app_key = "wrong"
    refuse(401, script.get, "/service/ping")
    assert (script.wire, script.token) == ([("POST", "/devices", 401)], None)


def test_a_sign_up_in_escaped_letters_and_nulls_is_stored_as_it_was_meant(in_process, app):
    script = PHPScript(in_process, app)
    facts = {"firstName": "Zoë", "lastName": "Ñ/A", "gender": "Female", "dateOfBirth": "/Date(-310262400000)/"}
    user = script.create_user("zoe", PASSWORD, **facts)["result"]
    assert facts.items() <= user.items()
    assert {"email", "tag"}.isdisjoint(user)
    assert User.objects.get().first_name == "Zoë"


@pytest.mark.parametrize("parameters", [None, {"limit": 10}])
def test_the_list_of_users_is_a_page_with_the_one_who_asks(script, parameters):
    page = script.get("/users", parameters)["result"]
    assert [user["id"] for user in page["pageResults"]] == [script.ini["user_id"]]


def test_a_forgotten_password_is_asked_for_with_the_registrations_token(script, mailoutbox):
    script.log_out()
    assert script.post("/users/password", {"userName": "ann"})["result"] is True
    assert [mail.to for mail in mailoutbox] == [["ann@example.org"]]


def test_who_deletes_the_account_can_sign_up_again_with_the_registrations_token(script):
    assert script.delete("/users/me")["result"] is True
    refuse(401, script.get, "/users/me")
    script.log_out()
    assert script.create_user("ann", PASSWORD)["result"]["userName"] == "ann"
    assert REGISTRATION not in script.wire


def test_the_users_pushes_stop_with_a_logout_by_an_empty_array(script, in_process):
    # The client can't send a push token. Another program that uses the same file can.
    headers = {"Authorization": f"Buddy {script.token}", "Content-Type": "application/json"}
    assert in_process("PATCH", "/devices/current", headers=headers, content='{"pushToken": "gcm"}').status == 200
    assert DeviceToken.objects.get().user_id == script.ini["user_id"]
    script.post("/users/me/logout", {})
    assert DeviceToken.objects.get().user_id is None
