"""`PUT` and `GET /v1/users/logout/:id`: what a logout ends, and what it keeps."""

from datetime import timedelta

import pytest
import time_machine

from sessions.models import EndReason, Session
from tests.bad_input import zap_error, zap_fields
from tests.phones import SEED_DEVICE_TOKEN, device_token, promote, pushes_of
from users.models import DeviceToken, User

pytestmark = pytest.mark.only("zap")
UNKNOWN_ID = "0" * 24


@pytest.fixture
def staff(new_phone):
    """A logged-in member of staff who may end sessions."""
    return promote(new_phone().sign_up(), "user_sessions.end_session")


def put_logout(caller, user_id, device_token):
    return caller.ask("PUT", f"/v1/users/logout/{user_id}", {"deviceToken": device_token})


def get_logout(caller, user_id):
    return caller.ask("GET", f"/v1/users/logout/{user_id}")


def test_put_logout_as_in_the_seed_document_answers_logout_successfull(new_phone):
    phone = new_phone(device_token=SEED_DEVICE_TOKEN).sign_up()
    answer = put_logout(phone, phone.user_id, SEED_DEVICE_TOKEN)
    assert answer.status == 200
    assert answer.text == '{"success":true,"data":"Logout Successfull"}'
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"


def test_get_logout_is_the_web_apps_needs_no_device_and_is_never_stored(new_phone):
    phone = new_phone().sign_up()
    answer = get_logout(phone, phone.user_id)
    assert answer.text == '{"success":true,"data":"Logout Successfull"}'
    assert answer.headers["cache-control"] == "no-store"
    assert phone.me().status == 401


# --- the caller's own id --------------------------------------------------------------------------------


def test_a_logout_ends_the_callers_session_its_access_token_and_its_refresh_token(new_phone):
    phone = new_phone(device_token="phone").sign_up()
    assert put_logout(phone, phone.user_id, "phone").status == 200
    assert zap_error(phone.me()) == (401, "session_ended")
    assert zap_error(phone.refresh()) == (401, "session_ended")
    ended = Session.objects.get()
    assert (ended.end_reason, ended.ended_by_id) == (EndReason.LOGOUT, phone.user_id)


def test_a_logout_ends_the_users_other_sessions_on_the_same_device_token_and_no_others(new_phone):
    phone = new_phone(device_token="phone").sign_up()
    earlier = new_phone(device_token="phone")
    elsewhere = new_phone(device_token="tablet")
    for other in (earlier, elsewhere):
        other.log_in(phone.username)
    assert put_logout(phone, phone.user_id, "phone").status == 200
    assert earlier.me().status == 401
    assert earlier.refresh().status == 401
    assert elsewhere.me().status == 200


def test_a_logout_detaches_the_device_token_so_that_no_push_for_the_user_goes_there(new_phone):
    phone, tablet = new_phone(device_token="phone").sign_up(), new_phone(device_token="tablet")
    tablet.log_in(phone.username)
    assert put_logout(phone, phone.user_id, "phone").status == 200
    assert pushes_of(phone.user_id) == ["tablet"]


def test_a_device_token_that_is_not_known_ends_the_callers_session_and_changes_nothing_else(new_phone):
    phone = new_phone(device_token="phone").sign_up()
    other = new_phone(device_token="other")
    other.log_in(phone.username)
    assert put_logout(phone, phone.user_id, "never seen").status == 200
    assert phone.me().status == 401
    assert other.me().status == 200
    assert device_token("other").user_id == phone.user_id
    assert DeviceToken.objects.count() == 2


def test_a_device_token_that_belongs_to_somebody_else_stays_with_them(new_phone):
    phone, other = new_phone(device_token="mine").sign_up(), new_phone(device_token="theirs").sign_up()
    assert put_logout(phone, phone.user_id, "theirs").status == 200
    assert other.me().status == 200
    assert device_token("theirs").user_id == other.user_id


@pytest.mark.parametrize(
    "body", [{}, *({"deviceToken": value} for value in (None, "", "  ", 7, ["phone"], {"a": 1}, "x" * 4097))]
)
def test_a_missing_empty_over_long_or_non_string_device_token_is_a_400_and_nothing_changes(new_phone, body):
    phone = new_phone(device_token="phone").sign_up()
    refused = phone.ask("PUT", f"/v1/users/logout/{phone.user_id}", body)
    assert zap_fields(refused) == (400, "invalid_request", ["deviceToken"])
    assert phone.me().status == phone.refresh().status == 200
    assert DeviceToken.objects.get().user_id == phone.user_id


def test_a_device_token_of_4096_characters_logs_in_and_out(new_phone):
    phone = new_phone(device_token="x" * 4096).sign_up()
    assert phone.log_out().status == 200
    assert DeviceToken.objects.get().user_id is None


# --- another user's id ---------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["PUT", "GET"])
def test_another_users_id_is_a_403_and_an_unknown_id_answers_the_same(new_phone, method):
    phone, other = new_phone(device_token="mine").sign_up(), new_phone(device_token="theirs").sign_up()
    promote(
        phone, "users.change_user", "users.delete_user", "user_sessions.view_session"
    )  # another permission than the required one
    body = {"deviceToken": "theirs"} if method == "PUT" else None
    answers = [
        phone.ask(method, f"/v1/users/logout/{user_id}", body) for user_id in (other.user_id, UNKNOWN_ID, "not-an-id")
    ]
    assert [zap_error(answer) for answer in answers] == [(403, "permission_denied")] * 3
    assert len({answer.text for answer in answers}) == 1
    assert phone.me().status == other.me().status == 200
    assert device_token("theirs").user_id == other.user_id


def test_staff_put_ends_that_users_sessions_on_the_device_token_and_staff_stay_logged_in(new_phone, staff):
    phone, tablet = new_phone(device_token="phone").sign_up(), new_phone(device_token="tablet")
    tablet.log_in(phone.username)
    assert put_logout(staff, phone.user_id, "phone").status == 200
    assert phone.me().status == 401
    assert tablet.me().status == staff.me().status == 200
    ended = Session.objects.exclude(ended_at=None).get()
    assert (ended.end_reason, ended.ended_by_id) == (EndReason.STAFF, staff.user_id)
    assert device_token("phone").user_id is None


def test_staff_get_ends_all_of_that_users_sessions(new_phone, staff):
    phone, tablet = new_phone(device_token="phone").sign_up(), new_phone(device_token="tablet")
    tablet.log_in(phone.username)
    assert get_logout(staff, phone.user_id).json["data"] == "Logout Successfull"
    assert phone.me().status == tablet.me().status == 401
    assert not DeviceToken.objects.exclude(user=None).exists()
    assert staff.me().status == 200


def test_staff_leave_a_device_token_that_is_not_that_users_alone(new_phone, staff):
    phone, other = new_phone(device_token="mine").sign_up(), new_phone(device_token="theirs").sign_up()
    assert put_logout(staff, phone.user_id, "theirs").status == 200
    assert device_token("theirs").user_id == other.user_id
    assert other.me().status == phone.me().status == 200


def test_staff_are_told_of_an_unknown_id(new_phone, staff):
    for user_id in (UNKNOWN_ID, "%00"):
        assert zap_error(put_logout(staff, user_id, "phone")) == (404, "not_found")
        assert zap_error(get_logout(staff, user_id)) == (404, "not_found")


def test_staff_may_not_end_a_superusers_sessions_and_superusers_may(new_phone, staff):
    boss = new_phone(device_token="boss").sign_up()
    User.objects.filter(pk=boss.user_id).update(is_superuser=True)
    assert zap_error(put_logout(staff, boss.user_id, "boss")) == (403, "permission_denied")
    assert zap_error(get_logout(staff, boss.user_id)) == (403, "permission_denied")
    assert boss.me().status == 200
    User.objects.filter(pk=staff.user_id).update(is_superuser=True)
    assert put_logout(staff, boss.user_id, "boss").status == 200
    assert boss.me().status == 401


def test_staff_may_end_the_sessions_of_other_staff(new_phone, staff):
    colleague = promote(new_phone(device_token="phone").sign_up(), "users.change_user")
    assert put_logout(staff, colleague.user_id, "phone").status == 200
    assert colleague.me().status == 401


# --- tokens of ended sessions, and expired tokens -------------------------------------------------------------------


def test_a_session_that_has_ended_stays_ended_for_anything_a_second_logout_included(new_phone):
    phone = new_phone(device_token="phone").sign_up()
    ended = new_phone(device_token="tablet")
    ended.log_in(phone.username)
    assert put_logout(ended, phone.user_id, "tablet").status == 200
    own = f"/v1/users/{phone.user_id}"
    change = {"userId": phone.user_id, "email": "a@b.cd", "oldPassword": "x", "newPassword": "another-pass-2"}
    for method, path, body in [
        ("PUT", f"/v1/users/logout/{phone.user_id}", {"deviceToken": "phone"}),
        ("GET", f"/v1/users/logout/{phone.user_id}", None),
        ("GET", "/v1/users/token", None),
        ("GET", "/v1/users", None),
        ("GET", own, None),
        ("PUT", own, {"name": "Ann"}),
        ("DELETE", own, None),
        ("GET", f"{own}/sessions", None),
        ("POST", f"{own}/sessions/logout", {"scope": "all"}),
        ("POST", "/v1/changePassword", change),
    ]:
        assert zap_error(ended.ask(method, path, body)) == (401, "session_ended"), (method, path)
    assert zap_error(ended.refresh()) == (401, "session_ended")
    assert phone.me().json["data"]["name"] == ""
    assert device_token("phone").user_id == phone.user_id


def test_an_expired_token_of_a_live_session_can_log_out_its_own_id_and_nothing_else(new_phone, staff, settings):
    with time_machine.travel("2026-03-01T12:00:00Z", tick=False) as clock:
        phone = new_phone(device_token="phone").sign_up()
        staff.log_in(staff.username)
        clock.shift(settings.ACCESS_TOKEN_LIFETIME + timedelta(hours=24))
        assert zap_error(phone.me()) == (401, "token_expired")
        assert zap_error(put_logout(phone, UNKNOWN_ID, "phone")) == (401, "token_expired")
        assert zap_error(put_logout(staff, phone.user_id, "phone")) == (401, "token_expired")
        assert put_logout(phone, phone.user_id, "phone").status == 200
        assert phone.refresh().status == 401
        assert DeviceToken.objects.get().user_id is None
        assert zap_error(put_logout(phone, phone.user_id, "phone")) == (401, "session_ended")


def test_an_expired_token_can_log_out_by_get_as_well(new_phone, settings):
    with time_machine.travel("2026-03-01T12:00:00Z", tick=False) as clock:
        phone = new_phone().sign_up()
        clock.shift(settings.ACCESS_TOKEN_LIFETIME)
        assert get_logout(phone, phone.user_id).status == 200
        assert phone.refresh().status == 401


def test_an_expired_token_of_an_expired_session_cannot_log_out(new_phone, settings):
    settings.SESSION_IDLE_TIMEOUT = timedelta(0)
    with time_machine.travel("2026-03-01T12:00:00Z", tick=False) as clock:
        phone = new_phone(device_token="phone").sign_up()
        clock.shift(settings.SESSION_LIFETIME)
        assert zap_error(put_logout(phone, phone.user_id, "phone")) == (401, "session_ended")
        other = new_phone(device_token="other").sign_up()
        clock.shift(settings.SESSION_LIFETIME - timedelta(seconds=1))
        assert put_logout(other, other.user_id, "other").status == 200
