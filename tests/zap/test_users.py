"""`GET`, `PUT` and `DELETE /v1/users/:id`: the caller's own user, and any user for staff."""

import pytest
import time_machine

from sessions.models import EndReason, Session
from tests.bad_input import zap_error, zap_fields, zap_success
from tests.phones import PASSWORD, BuddyPhone, InProcess, all_pushes, new_name, promote
from users.models import DeviceToken, User

pytestmark = pytest.mark.only("zap")
FORBIDDEN = (403, "permission_denied")
NOT_FOUND = (404, "not_found")
UNKNOWN_ID = "0" * 24


def get(caller, user_id):
    return caller.ask("GET", f"/v1/users/{user_id}")


def put(caller, user_id, **fields):
    return caller.ask("PUT", f"/v1/users/{user_id}", fields)


def delete(caller, user_id):
    return caller.ask("DELETE", f"/v1/users/{user_id}")


def row(user_id):
    return User.objects.filter(pk=user_id).values().get()


# --- GET -----------------------------------------------------------------------------------------


def test_get_answers_ones_own_user(new_phone):
    phone = new_phone().sign_up()
    shown = zap_success(get(phone, phone.user_id))
    assert (shown["id"], shown["username"]) == (phone.user_id, phone.username)


def test_get_of_anothers_id_is_a_403_and_an_unknown_id_answers_the_same(new_phone):
    phone, other = new_phone().sign_up(), new_phone().sign_up()
    promote(phone, "users.change_user", "users.delete_user", "user_sessions.view_session")
    answers = [get(phone, user_id) for user_id in (other.user_id, UNKNOWN_ID, "not-an-id", phone.user_id.upper())]
    assert [zap_error(answer) for answer in answers] == [FORBIDDEN] * 4
    assert len({answer.text for answer in answers}) == 1


def test_staff_get_another_user_the_deleted_ones_with_deleted_at(new_phone):
    staff, other = promote(new_phone().sign_up(), "users.view_user"), new_phone().sign_up()
    shown = zap_success(get(staff, other.user_id))
    assert shown == zap_success(get(other, other.user_id))
    assert "deletedAt" not in shown
    with time_machine.travel("2026-03-01T12:00:00.250Z", tick=False):
        other.log_in(other.username)
        zap_success(delete(other, other.user_id))
    assert zap_success(get(staff, other.user_id))["deletedAt"] == "2026-03-01T12:00:00.250Z"


def test_staff_are_told_of_an_unknown_id(new_phone):
    staff = promote(new_phone().sign_up(), "users.view_user", "users.change_user", "users.delete_user")
    for user_id in (UNKNOWN_ID, "not-an-id", "%00"):
        assert zap_error(get(staff, user_id)) == NOT_FOUND
        assert zap_error(put(staff, user_id, name="Ann")) == NOT_FOUND
        assert zap_error(delete(staff, user_id)) == NOT_FOUND


# --- PUT -----------------------------------------------------------------------------------------


def test_put_changes_ones_own_user_and_answers_the_user(new_phone):
    phone = new_phone().sign_up()
    fields = {"username": "ann_lee", "email": "Ann@example.org", "phoneNumber": "+491", "name": "Ann Lee"}
    before = zap_success(get(phone, phone.user_id))
    shown = zap_success(put(phone, phone.user_id, **fields))
    assert shown == before | fields | {"updatedAt": shown["updatedAt"]}
    assert shown["updatedAt"] > before["updatedAt"]
    assert zap_success(get(phone, phone.user_id)) == shown
    assert phone.log_in("ANN_LEE").status == 200


def test_put_changes_only_what_it_names(new_phone):
    phone = new_phone().sign_up()
    before = zap_success(put(phone, phone.user_id, phoneNumber="+491", name="Ann Lee"))
    after = zap_success(put(phone, phone.user_id, name="Ann"))
    assert after == before | {"name": "Ann", "updatedAt": after["updatedAt"]}
    unchanged = zap_success(put(phone, phone.user_id))
    assert unchanged == after | {"updatedAt": unchanged["updatedAt"]}


def test_put_takes_a_phone_number_and_a_name_that_are_null_away(new_phone):
    phone = new_phone().sign_up()
    put(phone, phone.user_id, phoneNumber="+491", name="Ann Lee")
    shown = zap_success(put(phone, phone.user_id, phoneNumber=None, name=None))
    assert (shown["phoneNumber"], shown["name"]) == (None, "")
    for field in ("username", "email"):
        assert zap_fields(put(phone, phone.user_id, **{field: None})) == (400, "invalid_request", [field])


def test_put_ignores_unknown_fields_and_fields_that_grant_rights(new_phone):
    phone = new_phone().sign_up()
    before = row(phone.user_id)
    raising = {"roleId": 7, "isStaff": True, "is_staff": True, "is_superuser": True, "emailVerified": True}
    others = {"password": "another-pass-2", "id": UNKNOWN_ID, "referralCode": "friend", "deletedAt": None}
    zap_success(put(phone, phone.user_id, **raising, **others))
    assert row(phone.user_id) == before | {"updated_at": row(phone.user_id)["updated_at"]}


@pytest.mark.parametrize("field", ["username", "email", "phoneNumber"])
def test_put_of_a_taken_user_name_email_or_phone_number_is_a_422_and_changes_nothing(new_phone, field):
    phone, other = new_phone().sign_up(), new_phone().sign_up()
    taken = zap_success(put(other, other.user_id, phoneNumber="+491"))[field]
    before = row(phone.user_id)
    code = {"phoneNumber": "phone_number"}.get(field, field) + "_taken"
    refused = put(phone, phone.user_id, **{"name": "Ann Lee", field: taken.upper()})
    assert zap_fields(refused) == (422, code, [field])
    assert row(phone.user_id) == before


def test_put_of_ones_own_user_name_in_another_case_is_no_conflict(new_phone):
    phone = new_phone().sign_up("ann_lee")
    assert zap_success(put(phone, phone.user_id, username="Ann_Lee"))["username"] == "Ann_Lee"


def test_put_of_another_email_makes_it_one_that_nobody_has_verified(new_phone):
    phone = new_phone().sign_up()
    User.objects.filter(pk=phone.user_id).update(email_verified=True)
    assert zap_success(put(phone, phone.user_id, name="Ann"))["emailVerified"] is True
    assert zap_success(put(phone, phone.user_id, email="ann@example.com"))["emailVerified"] is False


@pytest.mark.parametrize(
    ("field", "value"), [("username", "a"), ("email", "no at"), ("phoneNumber", "49"), ("name", "x" * 151)]
)
def test_put_of_a_value_out_of_bounds_is_a_400_and_changes_nothing(new_phone, field, value):
    phone = new_phone().sign_up()
    before = row(phone.user_id)
    assert zap_fields(put(phone, phone.user_id, **{field: value})) == (400, "invalid_request", [field])
    assert row(phone.user_id) == before


def test_put_of_anothers_id_is_a_403_and_an_unknown_id_answers_the_same(new_phone):
    phone, other = new_phone().sign_up(), new_phone().sign_up()
    promote(phone, "users.view_user", "users.delete_user", "users.add_user")
    before = row(other.user_id)
    answers = [put(phone, user_id, name="Ann") for user_id in (other.user_id, UNKNOWN_ID)]
    assert [zap_error(answer) for answer in answers] == [FORBIDDEN] * 2
    assert answers[0].text == answers[1].text
    assert row(other.user_id) == before


def test_staff_change_another_user_and_a_role_id_be_it_too_large_for_64_bits(new_phone):
    staff, other = promote(new_phone().sign_up(), "users.change_user"), new_phone().sign_up()
    shown = zap_success(put(staff, other.user_id, name="Ann Lee", roleId=63847623874682374682376))
    assert shown == zap_success(get(other, other.user_id))
    assert (shown["name"], shown["roleId"]) == ("Ann Lee", "63847623874682374682376")
    assert zap_success(put(staff, other.user_id, roleId=None))["roleId"] is None


@pytest.mark.parametrize("flag", ["is_superuser", "is_staff"])
def test_a_superuser_and_staff_are_changed_and_deleted_by_superusers_only(new_phone, flag):
    staff = promote(new_phone().sign_up(), "users.change_user", "users.delete_user")
    protected = new_phone().sign_up()
    User.objects.filter(pk=protected.user_id).update(**{flag: True})
    before = row(protected.user_id)
    assert zap_error(put(staff, protected.user_id, email="mine@example.org")) == FORBIDDEN
    assert zap_error(delete(staff, protected.user_id)) == FORBIDDEN
    assert row(protected.user_id) == before
    assert protected.me().status == 200
    User.objects.filter(pk=staff.user_id).update(is_superuser=True)
    assert zap_success(put(staff, protected.user_id, name="Boss"))["name"] == "Boss"
    zap_success(delete(staff, protected.user_id))
    assert protected.me().status == 401


# --- DELETE --------------------------------------------------------------------------------------


def test_delete_answers_user_deleted_successfully_and_is_a_soft_one(new_phone):
    phone = new_phone().sign_up()
    assert zap_success(delete(phone, phone.user_id)) == "User deleted successfully"
    kept = User.objects.get(pk=phone.user_id)
    assert kept.username == phone.username
    assert kept.deleted_at is not None
    assert zap_error(phone.log_in(phone.username)) == (401, "invalid_credentials")


def test_after_a_delete_user_name_email_and_phone_number_are_free_again(new_phone):
    phone = new_phone().sign_up()
    zap_success(put(phone, phone.user_id, phoneNumber="+491"))
    zap_success(delete(phone, phone.user_id))
    person = {"username": phone.username.upper(), "email": f"{phone.username}@example.org", "phoneNumber": "+491"}
    again = zap_success(new_phone().call("POST", "/v1/users", person | {"password": PASSWORD}))
    assert again["id"] != phone.user_id
    assert zap_success(phone.log_in(phone.username))["data"]["id"] == again["id"]


def test_a_delete_ends_all_sessions_of_both_dialects_with_the_reason_and_their_pushes(new_phone):
    phone, tablet = new_phone(device_token="phone").sign_up(), new_phone(device_token="tablet")
    buddy, stranger = BuddyPhone(InProcess(), device_token="push"), new_phone(device_token="other").sign_up()
    for other in (tablet, buddy):
        other.log_in(phone.username)
    # A push address belongs to the user, even if no session holds it.
    DeviceToken.of("left over", user_id=phone.user_id).save()
    zap_success(delete(phone, phone.user_id))
    assert [each.me().status for each in (phone, tablet, buddy, stranger)] == [401, 401, 401, 200]
    assert phone.refresh().status == tablet.refresh().status == 401
    ended = Session.objects.filter(user=phone.user_id)
    assert set(ended.values_list("end_reason", "ended_by")) == {(EndReason.USER_DELETED, phone.user_id)}
    assert all_pushes() == ["other"]


def test_delete_of_anothers_id_is_a_403_and_an_unknown_id_answers_the_same(new_phone):
    phone, other = new_phone().sign_up(), new_phone().sign_up()
    promote(phone, "users.view_user", "users.change_user", "user_sessions.end_session")
    answers = [delete(phone, user_id) for user_id in (other.user_id, UNKNOWN_ID)]
    assert [zap_error(answer) for answer in answers] == [FORBIDDEN] * 2
    assert answers[0].text == answers[1].text
    assert other.me().status == 200


def test_staff_delete_another_user_are_on_record_and_stay_logged_in(new_phone):
    staff, other = promote(new_phone().sign_up(), "users.delete_user"), new_phone().sign_up()
    zap_success(delete(staff, other.user_id))
    assert other.me().status == 401
    ended = Session.objects.get(user=other.user_id)
    assert (ended.end_reason, ended.ended_by_id) == (EndReason.USER_DELETED, staff.user_id)
    assert staff.me().status == 200


def test_a_deleted_user_is_neither_changed_nor_deleted_again(new_phone):
    staff = promote(new_phone().sign_up(), "users.change_user", "users.delete_user")
    gone = User.objects.create_user(new_name())
    zap_success(delete(staff, gone.pk))
    before = row(gone.pk)
    assert zap_error(put(staff, gone.pk, name="Ann")) == NOT_FOUND
    assert zap_error(delete(staff, gone.pk)) == NOT_FOUND
    assert row(gone.pk) == before
