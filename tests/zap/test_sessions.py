"""`/v1/users/:id/sessions`: list the sessions of a user, and end them one by one or by scope."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
import time_machine
from django.utils import timezone

from sessions.models import EndReason, Session
from tests.bad_input import zap_error, zap_fields, zap_success
from tests.phones import PASSWORD, BuddyPhone, InProcess, device_token, promote, pushes_of
from users.models import DeviceToken, User

pytestmark = pytest.mark.only("zap")
FORBIDDEN = (403, "permission_denied")
NOT_FOUND = (404, "not_found")
UNKNOWN_ID = "0" * 24
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"


@pytest.fixture
def logged_in(new_phone):
    """One user on a ZAP phone, a ZAP tablet and a Buddy phone."""
    phone, tablet = new_phone(device_token="phone").sign_up(), new_phone(device_token="tablet")
    tablet.log_in(phone.username)
    buddy = BuddyPhone(InProcess(), device_token="push")
    buddy.log_in(phone.username)
    return phone, tablet, buddy


def listed(caller, user_id=None):
    data = zap_success(caller.ask("GET", f"/v1/users/{user_id or caller.user_id}/sessions"))
    assert data.keys() == {"sessionData", "dataCount"}
    assert data["dataCount"] == len(data["sessionData"])
    return data["sessionData"]


def session_of(phone):
    """Return the id of the ZAP phone's own session."""
    (own,) = [session["id"] for session in listed(phone) if session["current"]]
    return own


def end_one(caller, user_id, session_id):
    return caller.ask("DELETE", f"/v1/users/{user_id}/sessions/{session_id}")


def end_scope(caller, user_id, scope):
    return caller.ask("POST", f"/v1/users/{user_id}/sessions/logout", {"scope": scope})


def answers_of(*phones):
    return [phone.me().status for phone in phones]


# --- the list ------------------------------------------------------------------------------------


def test_the_live_sessions_of_both_dialects_are_listed_together_newest_first(logged_in):
    phone, tablet, _ = logged_in
    shown = listed(phone)
    newest_first = Session.objects.filter(user=phone.user_id).order_by("-created_at")
    assert [session["id"] for session in shown] == [str(session.pk) for session in newest_first]
    assert [session["app"] for session in shown] == [Session.objects.get(user__isnull=True).app.name, "ZAP", "ZAP"]
    assert [session["current"] for session in shown] == [False, False, True]
    assert [session["current"] for session in listed(tablet)] == [False, True, False]


def test_a_session_has_the_documented_fields(new_phone):
    phone = new_phone(device_token="phone").sign_up()
    headers = {"Content-Type": "application/json", "User-Agent": IPHONE}
    body = f'{{"identity": "{phone.username}", "password": "{PASSWORD}"}}'
    with time_machine.travel("2026-03-01T12:00:00.250Z", tick=False):
        phone.access_token = phone.send("POST", "/v1/login", headers=headers, content=body).json["data"]["token"]
        shown = next(session for session in listed(phone) if session["current"])
    assert UUID(shown.pop("id")).version == 7
    assert shown == {
        "current": True,
        "app": "ZAP",
        "platform": "iOS",
        "device": None,
        "hasDeviceToken": False,
        "iPAddress": "127.0.0.1",
        "country": None,
        "city": None,
        "userAgent": IPHONE,
        "createdAt": "2026-03-01T12:00:00.250Z",
        "lastSeenAt": "2026-03-01T12:00:00.250Z",
        "expiresAt": "2026-03-31T12:00:00.250Z",
    }


def test_a_buddy_session_is_shown_with_its_device(logged_in):
    phone, _, buddy = logged_in
    body = {"model": "Pixel", "osVersion": "15", "appVersion": "1.0"}
    device = buddy.call("PATCH", "/devices/current", body, token=buddy.access_token).json["result"]
    shown = listed(phone)[0]
    assert shown["platform"] == "Android"
    assert shown["device"] == {"id": device["id"], "platform": "Android"} | body


def test_whether_a_session_has_a_device_token_is_told_and_never_which(logged_in):
    phone, _, buddy = logged_in
    assert [session["hasDeviceToken"] for session in listed(phone)] == [True, True, True]
    assert '"push"' not in phone.last.text
    buddy.call("PATCH", "/devices/current", {"pushToken": ""}, token=buddy.access_token)
    DeviceToken.objects.filter(pk=device_token("tablet").pk).update(user=None)
    assert [session["hasDeviceToken"] for session in listed(phone)] == [False, False, True]


def test_sessions_that_have_ended_expired_or_idled_are_not_listed(new_phone, settings):
    with time_machine.travel("2026-03-01T12:00:00Z", tick=False) as clock:
        phone, expired, idle, ended = new_phone().sign_up(), new_phone(), new_phone(), new_phone()
        for other in (expired, idle, ended):
            other.log_in(phone.username)
        soon = timezone.now() + timedelta(minutes=5)
        Session.objects.filter(pk=session_of(expired)).update(expires_at=soon)
        Session.objects.filter(pk=session_of(idle)).update(last_seen_at=soon - settings.SESSION_IDLE_TIMEOUT)
        ended.log_out()
        clock.move_to(soon - timedelta(seconds=1))
        assert len(listed(phone)) == 3
        clock.move_to(soon)
        assert [session["current"] for session in listed(phone)] == [True]


def test_the_list_is_for_ones_own_id_and_for_staff_who_may_view_sessions(logged_in, new_phone):
    phone, *_ = logged_in
    other = promote(new_phone().sign_up(), "user_sessions.end_session", "users.view_user")
    answers = [other.ask("GET", f"/v1/users/{user_id}/sessions") for user_id in (phone.user_id, UNKNOWN_ID, "x")]
    assert [zap_error(answer) for answer in answers] == [FORBIDDEN] * 3
    staff = promote(other, "user_sessions.view_session")
    assert [session["current"] for session in listed(staff, phone.user_id)] == [False] * 3
    assert zap_error(staff.ask("GET", f"/v1/users/{UNKNOWN_ID}/sessions")) == NOT_FOUND


# --- one session ---------------------------------------------------------------------------------


def test_a_user_ends_one_of_their_sessions_be_it_of_the_other_dialect(logged_in):
    phone, tablet, buddy = logged_in
    of_buddy = listed(phone)[0]["id"]
    assert zap_success(end_one(phone, phone.user_id, of_buddy)) == "Session ended successfully"
    assert answers_of(phone, tablet, buddy) == [200, 200, 401]
    assert len(listed(phone)) == 2
    ended = Session.objects.get(pk=of_buddy)
    assert (ended.end_reason, ended.ended_by_id) == (EndReason.LOGOUT, phone.user_id)
    assert device_token("push").user_id is None


def test_a_session_ended_by_its_id_is_dead_with_its_refresh_token_and_gets_no_push(logged_in):
    phone, tablet, _ = logged_in
    zap_success(end_one(phone, phone.user_id, session_of(tablet)))
    assert tablet.me().status == tablet.refresh().status == 401
    assert device_token("tablet").user_id is None
    assert device_token("phone").user_id == phone.user_id


def test_a_user_may_end_the_very_session_that_they_call_with(logged_in):
    phone, tablet, buddy = logged_in
    zap_success(end_one(phone, phone.user_id, session_of(phone)))
    assert answers_of(phone, tablet, buddy) == [401, 200, 200]


def test_a_session_that_is_not_a_live_one_of_that_user_is_a_404_and_stays_as_it_is(logged_in, new_phone):
    phone, tablet, _ = logged_in
    other = new_phone().sign_up()
    ended = session_of(tablet)
    tablet.log_out()
    for session_id in (ended, session_of(other), uuid4(), "none", UNKNOWN_ID):
        assert zap_error(end_one(phone, phone.user_id, session_id)) == NOT_FOUND
    assert other.me().status == 200
    assert Session.objects.exclude(ended_at=None).count() == 1


def test_another_users_session_is_a_403_for_all_but_staff_who_may_end_sessions(logged_in, new_phone):
    phone, tablet, buddy = logged_in
    other = promote(new_phone().sign_up(), "user_sessions.view_session", "users.change_user", "users.delete_user")
    of_tablet = session_of(tablet)
    for user_id in (phone.user_id, UNKNOWN_ID):
        assert zap_error(end_one(other, user_id, of_tablet)) == FORBIDDEN
    assert answers_of(phone, tablet, buddy) == [200] * 3
    staff = promote(other, "user_sessions.end_session")
    assert zap_error(end_one(staff, UNKNOWN_ID, of_tablet)) == NOT_FOUND
    assert zap_error(end_one(staff, staff.user_id, of_tablet)) == NOT_FOUND
    assert zap_success(end_one(staff, phone.user_id, of_tablet)) == "Session ended successfully"
    assert answers_of(phone, tablet, buddy) == [200, 401, 200]
    ended = Session.objects.get(pk=of_tablet)
    assert (ended.end_reason, ended.ended_by_id) == (EndReason.STAFF, staff.user_id)


def test_a_superusers_sessions_are_ended_by_superusers_only(new_phone):
    boss = new_phone().sign_up()
    User.objects.filter(pk=boss.user_id).update(is_superuser=True)
    staff = promote(new_phone().sign_up(), "user_sessions.end_session")
    for refused in (end_one(staff, boss.user_id, session_of(boss)), end_scope(staff, boss.user_id, "all")):
        assert zap_error(refused) == FORBIDDEN
    assert boss.me().status == 200
    User.objects.filter(pk=staff.user_id).update(is_superuser=True)
    zap_success(end_one(staff, boss.user_id, session_of(boss)))
    assert boss.me().status == 401


# --- scopes --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scope", "ended", "answers"),
    [("this", 1, [401, 200, 200]), ("others", 2, [200, 401, 401]), ("all", 3, [401, 401, 401])],
)
def test_scope_this_ends_this_session_others_the_others_and_all_all(logged_in, new_phone, scope, ended, answers):
    phone, tablet, buddy = logged_in
    stranger = new_phone().sign_up()
    assert zap_success(end_scope(phone, phone.user_id, scope)) == {"ended": ended}
    assert answers_of(phone, tablet, buddy) == answers
    assert (tablet.refresh().status, phone.refresh().status) == (answers[1], answers[0])
    assert stranger.me().status == 200
    pushes = set(pushes_of(phone.user_id))
    live = zip(("phone", "tablet", "push"), answers, strict=True)
    assert pushes == {token for token, status in live if status == 200}
    reasons = Session.objects.exclude(ended_at=None).values_list("end_reason", "ended_by")
    assert list(reasons) == [(EndReason.LOGOUT, phone.user_id)] * ended


def test_a_buddy_phone_goes_on_with_its_app_level_token_after_scope_all(logged_in):
    phone, _, buddy = logged_in
    end_scope(phone, phone.user_id, "all")
    assert buddy.log_in(phone.username).status == 200
    assert device_token("push").user_id == phone.user_id


def test_scope_others_with_no_others_ends_nothing(new_phone):
    phone = new_phone().sign_up()
    assert zap_success(end_scope(phone, phone.user_id, "others")) == {"ended": 0}
    assert phone.me().status == 200


@pytest.mark.parametrize("body", [{}, *({"scope": scope} for scope in (None, "", "global", "ALL", 7, ["all"]))])
def test_a_scope_that_is_none_is_a_400_that_names_it(logged_in, body):
    phone, *_ = logged_in
    refused = phone.ask("POST", f"/v1/users/{phone.user_id}/sessions/logout", body)
    assert zap_fields(refused) == (400, "invalid_request", ["scope"])
    assert answers_of(*logged_in) == [200] * 3


@pytest.mark.parametrize("scope", ["others", "all"])
def test_scopes_of_another_user_are_for_staff_who_may_end_sessions_and_stay_logged_in(logged_in, new_phone, scope):
    phone, *_ = logged_in
    other = promote(new_phone().sign_up(), "user_sessions.view_session", "users.delete_user")
    for user_id in (phone.user_id, UNKNOWN_ID):
        assert zap_error(end_scope(other, user_id, scope)) == FORBIDDEN
    assert answers_of(*logged_in) == [200] * 3
    staff = promote(other, "user_sessions.end_session")
    assert zap_error(end_scope(staff, UNKNOWN_ID, scope)) == NOT_FOUND
    assert zap_success(end_scope(staff, phone.user_id, scope)) == {"ended": 3}
    assert answers_of(*logged_in, staff) == [401] * 3 + [200]
    reasons = Session.objects.exclude(ended_at=None).values_list("end_reason", "ended_by")
    assert list(reasons) == [(EndReason.STAFF, staff.user_id)] * 3


def test_scope_this_with_another_users_id_is_a_400_that_names_the_scope(logged_in, new_phone):
    phone, *_ = logged_in
    staff = promote(new_phone().sign_up(), "user_sessions.end_session")
    for user_id in (phone.user_id, UNKNOWN_ID):
        assert zap_fields(end_scope(staff, user_id, "this")) == (400, "invalid_request", ["scope"])
    assert answers_of(*logged_in, staff) == [200] * 4
