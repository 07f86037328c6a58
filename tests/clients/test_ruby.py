"""The Ruby client, replayed. It sends forms, keeps no state, and distinguishes errors by name."""

import pytest

from tests.clients.client import NEW_PASSWORD, log_out_elsewhere
from tests.clients.ruby import RubyError, RubySite
from tests.phones import PASSWORD, address_in, new_name, reset_code_in
from users.models import CrashReport, Device, DeviceToken, User


@pytest.fixture
def site(in_process, app):
    return RubySite(in_process, app)


@pytest.fixture
def token(site):
    """The token of the registration."""
    return site.register("Ruby", uniqueId="web-1")["accessToken"]


@pytest.fixture
def ann(site, token):
    return site.create(token, "ann", PASSWORD, email="ann@example.org")


def test_someone_signs_up_logs_out_comes_back_and_is_logged_out_by_the_support(live, app):
    site, name = RubySite(live, app), new_name()
    registered = site.register("Ruby", uniqueId="web-1")["accessToken"]
    user = site.create(registered, name, PASSWORD)
    assert user["userName"] == name
    logged_in = site.login(registered, name, PASSWORD)["accessToken"]
    assert site.update(logged_in, user["id"], firstName="Ann")
    # The app-level token of the logout's answer is accepted. The ended token is refused everywhere.
    after = site.logout(logged_in)["accessToken"]
    with pytest.raises(RubyError, match="AuthAccessTokenInvalid"):
        site.update(logged_in, user["id"], firstName="Bea")
    assert site.update_device(after, tag="logged out")
    with pytest.raises(RubyError, match="UnknownResponseCode"):
        site.update(after, user["id"], firstName="Bea")

    logged_in = site.login(after, name, PASSWORD)["accessToken"]
    log_out_elsewhere(user["id"])
    with pytest.raises(RubyError, match="AuthAccessTokenInvalid"):
        site.logout(logged_in)
    # An app that rescues this error registers again and gets the same device.
    again = site.register("Ruby", uniqueId="web-1")["accessToken"]
    assert site.login(again, name, PASSWORD)["firstName"] == "Ann"
    path = f"/users/{user['id']}"
    assert site.wire == [
        *[("POST", "/devices", 201), ("POST", "/users", 200), ("POST", "/users/login", 200), ("PATCH", path, 200)],
        *[("POST", "/users/me/logout", 200), ("PATCH", path, 401)],
        *[("PATCH", "/devices/current", 200), ("PATCH", path, 403)],
        *[("POST", "/users/login", 200), ("POST", "/users/me/logout", 401)],
        *[("POST", "/devices", 201), ("POST", "/users/login", 200)],
    ]
    assert Device.objects.get().tag == "logged out"


def test_what_a_form_can_say_of_a_device_is_stored(site, token):
    told = {"location": "50,50", "pushToken": "a b&c=d*~", "connectionType": "Wifi", "isProduction": True, "tag": None}
    assert site.update_device(token, **told)
    device = Device.objects.get()
    assert (device.latitude, device.longitude, device.connection_type) == (50.0, 50.0, "Wifi")
    assert (device.is_production, device.tag, device.platform) == (True, "", "Ruby")
    assert address_in(DeviceToken.objects.get()) == "a b&c=d*~"


def test_a_crash_is_reported_by_a_form(site, token):
    assert site.crash_report(token, "app.rb:7:in `run'", message="no method", methodName="run", location="50,50")
    kept = CrashReport.objects.get()
    assert (kept.device, kept.stack_trace, kept.message) == (Device.objects.get(), "app.rb:7:in `run'", "no method")
    for wrong, error in (((token, ""), "ParameterMissingRequiredValue"), (("hi", "x"), "AuthAccessTokenInvalid")):
        with pytest.raises(RubyError, match=error):
            site.crash_report(*wrong)


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"platform": "", "uniqueId": "x"}, "ParameterMissingRequiredValue"),
        ({"platform": "Ruby", "location": "5050"}, "ParameterIncorrectFormat"),
    ],
)
def test_a_registration_that_is_refused_is_told_by_name(site, given, error):
    with pytest.raises(RubyError, match=error):
        site.register(given.pop("platform"), **given)
    assert not Device.objects.exists()


def test_a_wrong_app_key_is_a_status_that_the_gem_has_no_name_for(site):
    site.app_key = "wrong"
    with pytest.raises(RubyError, match="UnknownResponseCode"):
        site.register("Ruby")
    assert site.wire == [("POST", "/devices", 401)]


@pytest.mark.parametrize(
    ("name", "password", "options", "error"),
    [
        ("bea", "", {}, "ParameterMissingRequiredValue"),
        ("bea", PASSWORD, {"gender": "none"}, "ParameterIncorrectFormat"),
        ("Ann", PASSWORD, {}, "ItemAlreadyExists"),
    ],
)
def test_a_sign_up_that_is_refused_is_told_by_name(site, token, ann, name, password, options, error):
    with pytest.raises(RubyError, match=error):
        site.create(token, name, password, **options)
    assert User.objects.get().username == "ann"


def test_a_call_with_a_token_that_is_none_is_told_by_name(site):
    for call in (lambda: site.create("hi", "ann", PASSWORD), lambda: site.update_device("hi", location="50,50")):
        with pytest.raises(RubyError, match="AuthAccessTokenInvalid"):
            call()
    assert not User.objects.exists()


def test_a_mistyped_password_is_an_error_that_the_gem_has_no_name_for(site, token, ann):
    with pytest.raises(RubyError, match="UnknownError"):
        site.login(token, "ann", "wrong")
    assert site.login(token, "ann", PASSWORD)["id"] == ann["id"]


def test_too_many_mistyped_passwords_are_a_status_that_it_has_no_name_for(site, token, ann, settings):
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"login": (1, 60), "login_known": (1, 60)}
    for error in ("UnknownError", "UnknownResponseCode"):
        with pytest.raises(RubyError, match=error):
            site.login(token, "ann", "wrong")
    assert site.update(ann["accessToken"], ann["id"], tag="still logged in")


def test_a_profile_is_changed_by_a_form_and_a_nil_changes_nothing(site, ann):
    facts = {"firstName": "Zoë & Co.", "gender": "Female", "dateOfBirth": "1960-03-05", "location": "52.5, 13.4"}
    assert site.update(ann["accessToken"], ann["id"], **facts, email=None)
    assert site.update(ann["accessToken"], ann["id"], gender=None, dateOfBirth=None, location=None)
    user = User.objects.get()
    assert (user.first_name, user.gender, user.email) == ("Zoë & Co.", "female", "ann@example.org")
    assert (f"{user.date_of_birth:%Y-%m-%d}", user.latitude, user.longitude) == ("1960-03-05", 52.5, 13.4)


def test_a_forgotten_password_is_reset_with_the_registrations_token(site, token, ann, mailoutbox):
    assert site.ask_for_reset_code(token, "ann", "Your code", "Here it is: @ResetCode")
    with pytest.raises(RubyError, match="UnknownError"):
        site.reset_password(token, "ann", "guess", NEW_PASSWORD)
    assert site.reset_password(token, "ann", reset_code_in(mailoutbox[0]), NEW_PASSWORD)
    # The session from before the change of password has ended.
    with pytest.raises(RubyError, match="AuthAccessTokenInvalid"):
        site.logout(ann["accessToken"])
    assert site.login(token, "ann", NEW_PASSWORD)["id"] == ann["id"]


def test_the_users_pushes_stop_with_a_logout_by_an_empty_form(site, ann):
    site.update_device(ann["accessToken"], pushToken="gcm")
    assert DeviceToken.objects.get().user_id == ann["id"]
    site.logout(ann["accessToken"])
    assert DeviceToken.objects.get().user_id is None
