"""An earlier app-level token of a device: what it allows, and that it can't harm the user who is logged in now."""

import pytest

from sessions.models import EndReason, Session
from tests.bad_input import buddy_error, buddy_success
from tests.phones import PASSWORD, BuddyPhone, InProcess, new_name, pushes_of
from users.models import Device

pytestmark = pytest.mark.only("buddy")
INVALID_TOKEN = (401, "AuthAccessTokenInvalid")
NOT_YOURS = (403, "ObjectPermissionDenied")


def patch(phone, token, **fields):
    return phone.call("PATCH", "/devices/current", fields, token=token)


def log_in(phone, token, name):
    return phone.call("POST", "/users/login", {"username": name, "password": PASSWORD}, token=token)


@pytest.fixture
def thief(new_phone):
    """The phone's previous owner, who logged out and kept the app-level token of that logout."""
    thief = new_phone(device_token="hers").sign_up()
    thief.kept = buddy_success(thief.log_out())["accessToken"]
    return thief


@pytest.fixture
def anna(thief):
    """The phone's present owner, who logged in with the token that the thief has kept."""
    anna = BuddyPhone(InProcess(), device_token="hers", app_id=thief.app_id, app_key=thief.app_key)
    anna.app_token = thief.kept
    return anna.sign_up()


@pytest.mark.parametrize("token", ["kept", "app_token"])
def test_an_earlier_app_level_token_cannot_move_the_push_address_of_who_is_logged_in(thief, anna, token):
    for address in ("his", ""):
        assert buddy_error(patch(thief, getattr(thief, token), pushToken=address)) == NOT_YOURS
    assert pushes_of(anna.user_id) == ["hers"]


def test_an_earlier_app_level_token_reads_nothing_of_who_is_logged_in_or_was(thief, anna):
    assert patch(anna, anna.access_token, tag="her secret", location="52.5,13.4").status == 200
    refused = patch(thief, thief.kept)
    assert buddy_error(refused) == NOT_YOURS
    assert "secret" not in refused.text
    anna.log_out()
    seen = buddy_success(patch(thief, thief.kept))
    assert not {"tag", "location"} & seen.keys()


def test_an_earlier_app_level_token_changes_nothing_that_who_is_logged_in_sees(thief, anna):
    before = buddy_success(patch(anna, anna.access_token))
    patch(thief, thief.kept, osVersion="666", tag="his")
    after = buddy_success(patch(anna, anna.access_token))
    assert after == before | {"lastModified": after["lastModified"]}


def test_an_earlier_app_level_token_logs_in_beside_who_is_logged_in_and_ends_nothing(thief, anna):
    answer = buddy_success(log_in(thief, thief.kept, thief.username))
    assert answer["id"] == thief.user_id
    assert thief.me(answer["accessToken"]).status == 200
    assert anna.me().status == 200
    assert pushes_of(anna.user_id) == ["hers"]
    assert pushes_of(thief.user_id) == []


def test_a_thief_who_logs_in_beside_her_does_not_leave_his_address_for_her_next_login(thief, anna):
    token = buddy_success(log_in(thief, thief.kept, thief.username))["accessToken"]
    assert patch(thief, token, pushToken="his").status == 200
    assert pushes_of(thief.user_id) == ["his"]
    anna.log_out()
    assert buddy_success(log_in(anna, anna.app_token, anna.username))["id"] == anna.user_id
    assert "his" not in pushes_of(anna.user_id)


def test_a_thief_who_registers_with_her_unique_id_changes_nothing_that_she_sees(thief, anna):
    before = buddy_success(patch(anna, anna.access_token, osVersion="14", tag="mine"))
    stranger = BuddyPhone(
        InProcess(), device_token="his", unique_id=thief.unique_id, app_id=anna.app_id, app_key=anna.app_key
    )
    assert stranger.register_device().status == 201
    assert buddy_error(patch(stranger, stranger.app_token, pushToken="his", tag="his")) == NOT_YOURS
    stranger.sign_up()
    assert anna.me().status == 200
    assert pushes_of(anna.user_id) == ["hers"]
    after = buddy_success(patch(anna, anna.access_token))
    assert after == before | {"lastModified": after["lastModified"]}
    assert Device.objects.count() == 1


def test_who_logs_out_can_move_the_address_of_the_empty_phone_again(thief, anna):
    fresh = buddy_success(anna.log_out())["accessToken"]
    assert patch(anna, fresh, pushToken="moved").status == 200
    assert buddy_success(log_in(anna, fresh, anna.username))["id"] == anna.user_id
    assert pushes_of(anna.user_id) == ["moved"]


def test_a_second_login_of_the_same_user_ends_the_session_that_the_client_did_not_show(anna):
    stolen, kept = anna.access_token, anna.app_token
    assert buddy_success(log_in(anna, kept, anna.username))["id"] == anna.user_id
    assert buddy_error(anna.me(stolen)) == INVALID_TOKEN
    assert Session.objects.filter(user=anna.user_id, end_reason=EndReason.SUPERSEDED).count() == 1
    assert pushes_of(anna.user_id) == ["hers"]


def test_a_second_login_that_carries_the_users_token_keeps_it(anna):
    first = anna.access_token
    again = buddy_success(log_in(anna, first, anna.username))["accessToken"]
    assert anna.me(first).status == anna.me(again).status == 200
    assert Session.objects.filter(user=anna.user_id, ended_at=None).count() == 1


def test_a_new_push_address_of_the_user_is_there_again_after_a_login_with_the_token_of_before(anna):
    # After a logout the iOS client uses the token of its registration again.
    assert patch(anna, anna.access_token, pushToken="rotated").status == 200
    anna.log_out()
    assert buddy_success(log_in(anna, anna.app_token, anna.username))["id"] == anna.user_id
    assert pushes_of(anna.user_id) == ["rotated"]


def test_another_users_login_with_her_own_token_takes_her_place_and_the_pushes(new_phone, anna):
    ben = new_phone(app_id=anna.app_id, app_key=anna.app_key).sign_up(new_name())
    assert buddy_success(log_in(anna, anna.access_token, ben.username))["id"] == ben.user_id
    assert buddy_error(anna.me()) == INVALID_TOKEN
    assert pushes_of(anna.user_id) == []
    assert pushes_of(ben.user_id) == ["hers"]
