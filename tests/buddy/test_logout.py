"""`POST /users/me/logout`: what a logout ends. The ping works before and after it."""

import pytest

from sessions.models import EndReason, Session
from tests.bad_input import UUID, buddy_error, buddy_success
from tests.phones import BuddyPhone, InProcess, device_token, pushes_of
from users.models import Device

pytestmark = pytest.mark.only("buddy")
INVALID_TOKEN = (401, "AuthAccessTokenInvalid")
NO_USER = (403, "AuthUserAccessTokenRequired")


def test_post_logout_as_in_the_seed_document_answers_access_token_and_access_token_expires(new_phone):
    phone = new_phone().sign_up()
    answer = phone.log_out()
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert list(answer.json) == ["status", "result", "request_id", "success"]
    assert (answer.json["status"], answer.json["success"]) == (200, True)
    assert UUID.fullmatch(answer.json["request_id"])
    assert list(answer.json["result"]) == ["accessToken", "accessTokenExpires"]


def test_a_logout_ends_the_session_of_the_user_level_token_and_no_other(new_phone):
    phone = new_phone().sign_up()
    tablet = BuddyPhone(InProcess(), app_id=phone.app_id, app_key=phone.app_key)
    tablet.log_in(phone.username)
    buddy_success(phone.log_out())
    assert buddy_error(phone.me()) == INVALID_TOKEN
    assert tablet.me().status == 200
    ended = Session.objects.exclude(ended_at=None).get()
    assert (ended.end_reason, ended.ended_by_id) == (EndReason.LOGOUT, phone.user_id)


def test_after_a_logout_the_push_token_is_the_users_no_more_and_the_device_keeps_it(new_phone):
    phone = new_phone(device_token="push").sign_up()
    assert pushes_of(phone.user_id) == ["push"]
    phone.app_token = buddy_success(phone.log_out())["accessToken"]
    held = device_token("push")
    assert (held.user_id, held.device) == (None, Device.objects.get())
    phone.log_in(phone.username)
    assert pushes_of(phone.user_id) == ["push"]


def test_the_fresh_app_level_token_is_for_the_same_app_and_device(new_phone):
    phone = new_phone().sign_up()
    fresh = buddy_success(phone.log_out())["accessToken"]
    assert fresh not in (phone.access_token, phone.app_token)
    opened = Session.objects.order_by("created_at").last()
    assert (opened.user, opened.app_id, opened.device) == (None, phone.app_id, Device.objects.get())


def test_the_fresh_app_level_token_works_for_app_level_calls(new_phone):
    phone = new_phone().sign_up()
    phone.app_token = buddy_success(phone.log_out())["accessToken"]
    changed = phone.call("PATCH", "/devices/current", {"tag": "mine"}, token=phone.app_token)
    assert buddy_success(changed)["tag"] == "mine"
    assert phone.log_in(phone.username).status == 200
    assert phone.me().status == 200


def test_the_fresh_app_level_token_answers_user_access_token_required_where_a_user_is_needed(new_phone):
    phone = new_phone().sign_up()
    fresh = buddy_success(phone.log_out())["accessToken"]
    assert buddy_error(phone.me(fresh)) == NO_USER
    assert buddy_error(phone.call("POST", "/users/me/logout", token=fresh)) == NO_USER


def test_a_logout_with_an_app_level_token_answers_user_access_token_required_and_ends_nothing(new_phone):
    phone = new_phone(device_token="push").sign_up()
    before = Session.objects.count()
    assert buddy_error(phone.call("POST", "/users/me/logout", token=phone.app_token)) == NO_USER
    assert phone.me().status == 200
    assert pushes_of(phone.user_id) == ["push"]
    assert Session.objects.count() == before
    assert phone.log_in(phone.username).status == 200  # the app-level token still works


def test_a_logout_with_a_dead_token_answers_access_token_invalid_and_gives_no_new_token(new_phone):
    phone = new_phone().sign_up()
    phone.log_out()
    before = Session.objects.count()
    refused = phone.log_out()
    assert buddy_error(refused) == INVALID_TOKEN
    assert "accessToken" not in refused.text
    assert Session.objects.count() == before


def test_a_client_that_keeps_nothing_carries_the_dead_user_token_and_260_makes_it_register_anew(new_phone):
    phone = new_phone().sign_up()
    phone.log_out()
    refused = phone.ask("POST", "/users/login", {"username": phone.username, "password": "any"})
    assert (refused.status, refused.json["errorNumber"]) == (401, 260)
    assert phone.register_device().status == 201
    assert phone.log_in(phone.username).status == 200
    assert Device.objects.count() == 1


def test_get_service_ping_answers_pong_with_and_without_a_token_be_it_good_or_dead(new_phone):
    phone = new_phone().sign_up()
    phone.log_out()
    for token in (None, phone.app_token, phone.access_token, "rubbish"):
        assert buddy_success(phone.call("GET", "/service/ping", token=token)) == "Pong"
