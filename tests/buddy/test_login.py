"""`POST /users` and `POST /users/login`. A login on a device ends the session of another user there."""

from datetime import timedelta
from urllib.parse import urlencode

import pytest
import time_machine
from django.utils import timezone

from sessions.errors import SessionEnded
from sessions.login.on_device import log_in_on_device
from sessions.logout import end_sessions
from sessions.models import EndReason, Session
from sessions.tokens.jwt import AnyAccessToken
from tests.bad_input import buddy_error, buddy_success
from tests.phones import PASSWORD, BuddyPhone, InProcess, ZapPhone, new_name, pushes_of
from users.models import User
from users.origin import Origin

pytestmark = pytest.mark.only("buddy")
INVALID_TOKEN = (401, "AuthAccessTokenInvalid")


@pytest.fixture
def ready(new_phone):
    """A registered device on which no user is logged in."""
    phone = new_phone(device_token="push")
    phone.register_device()
    return phone


def sid_of(token):
    return AnyAccessToken.read(token).session_id


def sign_up(phone, **fields):
    person = {"username": new_name(), "password": PASSWORD}
    return phone.call("POST", "/users", person | fields, token=phone.app_token)


# --- POST /users ---------------------------------------------------------------------------------


def test_post_users_answers_the_user_with_access_token_and_access_token_expires(ready):
    given = {"username": "Ann.Lee@example.org", "firstName": "Ann", "lastName": "Lee", "email": "ann@example.org"}
    rest = {"gender": "female", "dateOfBirth": "1960-03-05", "tag": "t", "location": "1,2"}
    user = buddy_success(sign_up(ready, **given, **rest))
    stored = User.objects.get()
    assert user == {
        "id": stored.pk,
        "userName": "Ann.Lee@example.org",
        "firstName": "Ann",
        "lastName": "Lee",
        "email": "ann@example.org",
        "gender": "Female",
        "dateOfBirth": "/Date(-310089600000)/",
        "tag": "t",
        "location": {"lat": 1.0, "lng": 2.0},
        **{name: user[name] for name in ("created", "lastModified", "lastLogin", "accessToken", "accessTokenExpires")},
    }
    assert ready.me(user["accessToken"]).json["result"]["id"] == stored.pk
    assert stored.check_password(PASSWORD)


def test_a_user_has_the_documented_fields_and_no_other(ready):
    every = {
        "firstName": "Ann",
        "lastName": "Lee",
        "email": "ann@example.org",
        "gender": 2,
        "dateOfBirth": "1990-03-05",
    }
    ready.access_token = sign_up(ready, **every, tag="t", location="1,2").json["result"]["accessToken"]
    assert buddy_success(ready.me()).keys() == {
        *("id", "userName", "firstName", "lastName", "email", "gender", "dateOfBirth", "lastLogin", "created"),
        *("lastModified", "location", "tag"),
    }


def test_what_a_form_leaves_empty_is_left_out(ready):
    empty = ["email", "gender", "dateOfBirth", "firstName", "tag", "location"]
    body = {"username": new_name(), "password": PASSWORD} | dict.fromkeys(empty, "")
    headers = {"Authorization": f"Buddy {ready.app_token}", "Content-Type": "application/x-www-form-urlencoded"}
    user = ready.send("POST", "/users", headers=headers, content=urlencode(body)).json["result"]
    assert not user.keys() & set(empty)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[("gender", value) for value in ("other", 3, True, [])],
        *[("dateOfBirth", value) for value in ("yesterday", "/Date(x)/", "/Date(99999999999999999)/", 5, "1990-13-01")],
        *[("email", value) for value in ("no at", 5)],
    ],
)
def test_a_value_of_the_wrong_form_is_refused_and_makes_no_user(ready, field, value):
    refused = sign_up(ready, **{field: value})
    assert buddy_error(refused) == (400, "ParameterIncorrectFormat")
    assert field in refused.json["message"]
    assert not User.objects.exists()


def test_a_user_signs_up_with_a_users_token_as_well_which_ends(ready):
    first = buddy_success(sign_up(ready))["accessToken"]
    second = ready.call("POST", "/users", {"username": new_name(), "password": PASSWORD}, token=first)
    assert buddy_success(ready.me(buddy_success(second)["accessToken"]))
    assert buddy_error(ready.me(first)) == INVALID_TOKEN


def test_nobody_signs_up_or_logs_in_without_a_token(ready):
    for path in ("/users", "/users/login"):
        body = {"username": "ann", "password": PASSWORD}
        assert buddy_error(ready.call("POST", path, body)) == INVALID_TOKEN
    assert not User.objects.exists()


# --- POST /users/login ---------------------------------------------------------------------------


def test_post_users_login_answers_the_user_with_access_token_and_access_token_expires(new_phone):
    phone = new_phone().sign_up()
    user = buddy_success(phone.log_in(phone.username))
    me = buddy_success(phone.me())
    assert user == me | {name: user[name] for name in ("accessToken", "accessTokenExpires")}


def test_a_user_of_the_other_dialect_logs_in_by_user_name_in_any_case_and_not_by_email(ready):
    zap = ZapPhone(InProcess()).sign_up("ann_lee")
    assert buddy_success(ready.log_in("Ann_Lee"))["id"] == zap.user_id
    assert buddy_error(ready.log_in("ann_lee@example.org")) == (401, "AuthBadUsernameOrPassword")


def test_a_login_brings_the_users_pushes_to_the_device(ready):
    zap = ZapPhone(InProcess()).sign_up()
    ready.log_in(zap.username)
    assert pushes_of(zap.user_id) == ["push"]


def test_a_login_over_a_users_token_ends_the_session_that_it_takes_the_place_of(new_phone):
    phone = new_phone(device_token="push").sign_up()
    first = phone.access_token
    other = BuddyPhone(InProcess(), app_id=phone.app_id, app_key=phone.app_key).sign_up()
    body = {"username": other.username, "password": PASSWORD}
    assert phone.call("POST", "/users/login", body, token=first).status == 200
    assert buddy_error(phone.me(first)) == INVALID_TOKEN
    assert Session.objects.get(user_id=phone.user_id).end_reason == EndReason.SUPERSEDED
    assert pushes_of(other.user_id) == ["push"]


def test_a_failed_login_over_a_users_token_leaves_it_good(new_phone):
    phone = new_phone().sign_up()
    assert phone.ask("POST", "/users/login", {"username": phone.username, "password": "wrong"}).status == 401
    assert phone.me().status == 200


def test_a_session_that_ended_while_the_password_was_checked_opens_no_other(new_phone):
    phone = new_phone(device_token="push").sign_up()
    phone.log_out()
    user, current = (
        User.objects.get(),
        Session.objects.select_related("app").get(ended_at=None, pk=sid_of(phone.app_token)),
    )
    end_sessions(Session.objects.filter(pk=current.pk), actor=None, reason=EndReason.STAFF)
    with pytest.raises(SessionEnded):
        log_in_on_device(user, current=current, origin=Origin())
    assert pushes_of(phone.user_id) == []


def test_a_push_address_that_was_taken_away_meanwhile_does_not_come_back_with_the_login(new_phone):
    phone = new_phone(device_token="push").sign_up()
    phone.log_out()
    user, current = (
        User.objects.get(),
        Session.objects.select_related("app").get(ended_at=None, pk=sid_of(phone.app_token)),
    )
    assert phone.call("PATCH", "/devices/current", {"pushToken": ""}, token=phone.app_token).status == 200
    log_in_on_device(user, current=current, origin=Origin())
    assert pushes_of(phone.user_id) == []


def test_who_logs_in_again_with_their_own_token_goes_on_with_the_same_session(new_phone, settings):
    with time_machine.travel("2026-03-01T12:00:00Z", tick=False) as clock:
        phone = new_phone(device_token="push").sign_up()
        first = phone.access_token
        clock.shift(timedelta(days=10))
        again = phone.ask("POST", "/users/login", {"username": phone.username, "password": PASSWORD})
        phone.access_token = buddy_success(again)["accessToken"]
        assert phone.me(first).status == phone.me().status == 200
        session = Session.objects.get(user_id=phone.user_id)
        assert session.expires_at == session.created_at + timedelta(days=10) + settings.SESSION_LIFETIME
        assert pushes_of(phone.user_id) == ["push"]
        assert phone.log_out().status == 200
        assert buddy_error(phone.me(first)) == buddy_error(phone.me()) == INVALID_TOKEN


def test_who_logs_in_again_after_a_cut_off_gets_a_new_session(new_phone):
    phone = new_phone(device_token="push").sign_up()
    first = phone.access_token
    User.objects.update(sessions_valid_after=timezone.now())
    assert phone.log_in(phone.username).status == 200
    assert buddy_error(phone.me(first)) == INVALID_TOKEN
    assert phone.me().status == 200
    assert Session.objects.filter(user_id=phone.user_id, ended_at=None).count() == 1
    assert pushes_of(phone.user_id) == ["push"]
