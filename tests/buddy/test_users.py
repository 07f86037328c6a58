"""`GET`, `PATCH` and `DELETE` of `/users/me` and `/users/:id`: the caller's own user, and any user for staff."""

import pytest

from sessions.models import EndReason, Session
from tests.bad_input import buddy_error, buddy_success
from tests.phones import PASSWORD, BuddyPhone, InProcess, ZapPhone, all_pushes, new_name, promote
from users.models import Device, DeviceToken, User

pytestmark = pytest.mark.only("buddy")
DENIED = (403, "ObjectPermissionDenied")
UNKNOWN = (404, "ItemDoesNotExist")
INVALID_TOKEN = (401, "AuthAccessTokenInvalid")
UNKNOWN_ID = "0" * 24


def get(caller, user_id="me"):
    return caller.ask("GET", f"/users/{user_id}")


def patch(caller, user_id="me", **fields):
    return caller.ask("PATCH", f"/users/{user_id}", fields)


def delete(caller, user_id="me"):
    return caller.ask("DELETE", f"/users/{user_id}")


def row(user_id):
    return User.objects.filter(pk=user_id).values().get()


def test_a_new_user_has_the_address_that_they_registered_from(new_phone):
    phone = new_phone().sign_up()
    assert User.objects.get(pk=phone.user_id).ip_addresses == ["127.0.0.1"]


# --- GET -----------------------------------------------------------------------------------------


def test_get_users_me_and_get_of_ones_own_id_answer_the_same_user(new_phone):
    phone = new_phone().sign_up()
    me = buddy_success(get(phone))
    assert (me["id"], me["userName"]) == (phone.user_id, phone.username)
    assert buddy_success(get(phone, phone.user_id)) == me


def test_get_of_another_id_is_for_staff_who_may_view_users(new_phone):
    phone, other = new_phone().sign_up(), new_phone().sign_up()
    promote(phone, "users.change_user", "users.delete_user")
    for user_id in (other.user_id, UNKNOWN_ID):
        assert buddy_error(get(phone, user_id)) == DENIED
    promote(phone, "users.view_user")
    assert buddy_success(get(phone, other.user_id)) == buddy_success(get(other))
    assert buddy_error(get(phone, UNKNOWN_ID)) == UNKNOWN


# --- PATCH ---------------------------------------------------------------------------------------

FIELDS = {"username": "Ann.Lee", "firstName": "Ann", "lastName": "Lee", "email": "ann@example.org", "tag": "t"}
ODD_FIELDS = {"gender": "female", "dateOfBirth": "1990-03-05", "location": "1,2"}


@pytest.mark.parametrize("own", ["me", "id"])
def test_patch_changes_ones_own_user_and_answers_true(new_phone, own):
    phone = new_phone().sign_up()
    user_id = {"me": "me", "id": phone.user_id}[own]
    before = buddy_success(get(phone))
    changed = patch(phone, user_id, **FIELDS, **ODD_FIELDS)
    assert buddy_success(changed) is True
    after = buddy_success(get(phone))
    assert after == before | {
        "userName": "Ann.Lee",
        "firstName": "Ann",
        "lastName": "Lee",
        "email": "ann@example.org",
        "tag": "t",
        "gender": "Female",
        "dateOfBirth": "/Date(636595200000)/",
        "location": {"lat": 1.0, "lng": 2.0},
        "lastModified": after["lastModified"],
    }
    assert after["lastModified"] > before["lastModified"]
    assert phone.log_in("ann.lee").status == 200


def test_patch_changes_only_what_it_names(new_phone):
    phone = new_phone().sign_up()
    patch(phone, **FIELDS, **ODD_FIELDS)
    before = buddy_success(get(phone))
    buddy_success(patch(phone, firstName="Anna"))
    after = buddy_success(get(phone))
    assert after == before | {"firstName": "Anna", "lastModified": after["lastModified"]}


def test_patch_takes_a_name_and_a_tag_that_are_empty_and_a_gender_of_zero_away(new_phone):
    phone = new_phone().sign_up()
    patch(phone, **FIELDS, **ODD_FIELDS)
    buddy_success(patch(phone, firstName="", lastName="", tag="", gender=0))
    assert not {"firstName", "lastName", "tag", "gender"} & buddy_success(get(phone)).keys()


def test_patch_of_a_taken_user_name_or_email_is_an_existing_item_and_changes_nothing(new_phone):
    phone, other = new_phone().sign_up(), new_phone().sign_up()
    patch(other, email="ann@example.org")
    before = row(phone.user_id)
    for taken in ({"username": other.username.upper()}, {"email": "ANN@example.org"}):
        assert buddy_error(patch(phone, firstName="Ann", **taken)) == (400, "ItemAlreadyExists")
    assert row(phone.user_id) == before


def test_patch_does_not_change_a_password_or_rights(new_phone):
    phone = new_phone().sign_up()
    buddy_success(patch(phone, password="another", is_staff=True, isSuperuser=True, roleId=1, emailVerified=True))
    user = User.objects.get()
    assert (user.is_staff, user.is_superuser, user.role_id, user.email_verified) == (False, False, None, False)
    assert phone.log_in(phone.username).status == 200


def test_patch_of_another_email_is_answered_at_once_and_counts_when_it_is_verified(new_phone):
    phone = new_phone().sign_up()
    patch(phone, email="ann@example.org")
    User.objects.update(email_verified=True)
    buddy_success(patch(phone, email="ann@example.com"))
    assert buddy_success(get(phone))["email"] == "ann@example.com"
    user = User.objects.get()
    assert (user.email, user.new_email, user.email_verified) == ("ann@example.org", "ann@example.com", True)
    buddy_success(patch(phone, email="ann@example.org"))
    user = User.objects.get()
    assert (user.email, user.new_email, user.email_verified) == ("ann@example.org", None, True)


def test_patch_of_another_id_is_for_staff_who_may_change_users(new_phone):
    phone, other = new_phone().sign_up(), new_phone().sign_up()
    promote(phone, "users.view_user", "users.delete_user")
    before = row(other.user_id)
    for user_id in (other.user_id, UNKNOWN_ID):
        assert buddy_error(patch(phone, user_id, firstName="Ann")) == DENIED
    assert row(other.user_id) == before
    promote(phone, "users.change_user")
    assert buddy_success(patch(phone, other.user_id, firstName="Ann")) is True
    assert buddy_success(get(other))["firstName"] == "Ann"
    assert buddy_error(patch(phone, UNKNOWN_ID, firstName="Ann")) == UNKNOWN


@pytest.mark.parametrize("flag", ["is_superuser", "is_staff"])
def test_a_superuser_and_staff_are_changed_and_deleted_by_superusers_only(new_phone, flag):
    staff = promote(new_phone().sign_up(), "users.change_user", "users.delete_user")
    protected = new_phone().sign_up()
    User.objects.filter(pk=protected.user_id).update(**{flag: True})
    before = row(protected.user_id)
    assert buddy_error(patch(staff, protected.user_id, email="mine@example.org")) == DENIED
    assert buddy_error(delete(staff, protected.user_id)) == DENIED
    assert row(protected.user_id) == before
    User.objects.filter(pk=staff.user_id).update(is_superuser=True)
    assert buddy_success(patch(staff, protected.user_id, firstName="Boss")) is True
    assert buddy_success(delete(staff, protected.user_id)) is True
    assert buddy_error(get(protected)) == INVALID_TOKEN


# --- DELETE --------------------------------------------------------------------------------------


@pytest.mark.parametrize("own", ["me", "id"])
def test_delete_answers_true_and_the_user_name_and_email_are_free_again(new_phone, own):
    phone = new_phone().sign_up()
    patch(phone, email="ann@example.org")
    assert buddy_success(delete(phone, {"me": "me", "id": phone.user_id}[own])) is True
    kept = User.objects.get()
    assert (kept.username, kept.deleted_at is not None) == (phone.username, True)
    assert buddy_error(phone.log_in(phone.username)) == (401, "AuthBadUsernameOrPassword")
    person = {"username": phone.username.upper(), "password": PASSWORD, "email": "ann@example.org"}
    again = buddy_success(phone.call("POST", "/users", person, token=phone.app_token))
    assert again["id"] != phone.user_id


def test_a_delete_ends_all_sessions_of_both_dialects_with_the_reason_and_their_pushes(new_phone):
    phone, zap = new_phone(device_token="push").sign_up(), ZapPhone(InProcess(), device_token="phone")
    tablet, stranger = BuddyPhone(InProcess(), device_token="tablet"), new_phone(device_token="other").sign_up()
    for other in (zap, tablet):
        other.log_in(phone.username)
    buddy_success(delete(phone))
    assert [each.me().status for each in (phone, zap, tablet, stranger)] == [401, 401, 401, 200]
    assert zap.refresh().status == 401
    ended = Session.objects.filter(user=phone.user_id)
    assert set(ended.values_list("end_reason", "ended_by")) == {(EndReason.USER_DELETED, phone.user_id)}
    assert all_pushes() == ["other"]


def test_after_a_delete_the_device_goes_on_with_its_app_level_token(new_phone):
    phone = new_phone(device_token="push").sign_up()
    buddy_success(delete(phone))
    assert phone.call("PATCH", "/devices/current", {"tag": "t"}, token=phone.app_token).status == 200
    assert DeviceToken.objects.get().device == Device.objects.get()
    phone.sign_up(new_name())
    assert DeviceToken.objects.get().user_id == phone.user_id


def test_delete_of_another_id_is_for_staff_who_may_delete_users(new_phone):
    phone, other = new_phone().sign_up(), new_phone().sign_up()
    promote(phone, "users.view_user", "users.change_user", "user_sessions.end_session")
    for user_id in (other.user_id, UNKNOWN_ID):
        assert buddy_error(delete(phone, user_id)) == DENIED
    assert other.me().status == 200
    promote(phone, "users.delete_user")
    assert buddy_success(delete(phone, other.user_id)) is True
    ended = Session.objects.get(user=other.user_id)
    assert (ended.end_reason, ended.ended_by_id) == (EndReason.USER_DELETED, phone.user_id)
    for user_id in (other.user_id, UNKNOWN_ID):
        assert buddy_error(delete(phone, user_id)) == UNKNOWN
        assert buddy_error(patch(phone, user_id, firstName="Ann")) == UNKNOWN
    assert phone.me().status == 200
