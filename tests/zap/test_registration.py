"""`POST /v1/users`: who may register, which fields there are, and the answer."""

import re

import pytest

from tests.bad_input import zap_error, zap_fields, zap_success
from tests.phones import PASSWORD, new_name, promote
from users.models import User

pytestmark = pytest.mark.only("zap")


def person(**fields):
    name = new_name()
    return {"username": name, "email": f"{name}@example.org", "password": PASSWORD} | fields


def register(phone, **fields):
    return phone.ask("POST", "/v1/users", person(**fields))


def test_post_users_takes_user_name_email_password_phone_number_and_name_and_answers_the_user(new_phone):
    body = person(phoneNumber="+4915112345678", name="Ann Lee", referralCode="friend")
    made = new_phone().call("POST", "/v1/users", body)
    assert made.status == 201
    stored = User.objects.get()
    shown = made.json["data"]
    assert (shown["id"], shown["username"], shown["email"]) == (stored.pk, body["username"], body["email"])
    assert (shown["phoneNumber"], shown["name"]) == ("+4915112345678", "Ann Lee")
    assert stored.check_password(PASSWORD)


def test_a_user_has_the_documented_fields_and_no_other(new_phone):
    phone = new_phone().sign_up()
    user = zap_success(phone.ask("GET", f"/v1/users/{phone.user_id}"))
    assert set(user) == {
        *("id", "name", "username", "email", "phoneNumber", "roleId", "iPAddress", "emailVerified"),
        *("createdAt", "updatedAt"),
    }
    assert re.fullmatch("[0-9a-f]{24}", user["id"])
    assert (user["name"], user["phoneNumber"], user["roleId"], user["emailVerified"]) == ("", None, None, False)
    assert user["iPAddress"] == ["127.0.0.1"]


def test_a_new_user_has_the_address_that_they_registered_from(new_phone):
    assert zap_success(register(new_phone()))["iPAddress"] == ["127.0.0.1"]


def test_a_user_whom_staff_register_has_no_address_yet(new_phone):
    staff = promote(new_phone().sign_up(), "users.add_user")
    assert zap_success(register(staff))["iPAddress"] == []


@pytest.mark.parametrize("field", ["username", "email", "phoneNumber"])
def test_a_taken_user_name_email_or_phone_number_is_a_422_that_names_the_field(new_phone, field):
    phone = new_phone()
    first, second = person(phoneNumber="+491"), person(phoneNumber="+492")
    assert phone.call("POST", "/v1/users", first).status == 201
    refused = phone.call("POST", "/v1/users", second | {field: first[field].upper()})
    code = {"phoneNumber": "phone_number"}.get(field, field) + "_taken"
    assert zap_fields(refused) == (422, code, [field])
    assert User.objects.count() == 1


@pytest.mark.parametrize("missing", ["username", "email", "password"])
def test_user_name_email_and_password_are_required(new_phone, missing):
    body = person()
    del body[missing]
    assert zap_fields(new_phone().call("POST", "/v1/users", body)) == (400, "invalid_request", [missing])
    assert not User.objects.exists()


# An email of exactly 320 characters: 64 before the @, 255 after it.
LONGEST_EMAIL = f"{'a' * 64}@{'.'.join(['b' * 62] * 4)}.ccc"
BOUNDS = {
    "email": ([LONGEST_EMAIL, "a@b.cd"], [f"{LONGEST_EMAIL}c", "no at", "@example.org", ""]),
    "username": (["ab", "A_9", "x" * 20], ["a", "x" * 21, "ann lee", "ann-lee", "änn", ""]),
    "phoneNumber": (["+1", f"+{'9' * 15}", None], [f"+{'9' * 16}", "4915112345678", "+", "+49 151", "++49", ""]),
    "password": (["eight-8s", "x" * 28 + "-1", "x" * 126 + "-1"], ["seven-7", "x" * 127 + "-1", ""]),
}


def test_an_email_has_320_characters_at_most(new_phone):
    assert len(LONGEST_EMAIL) == 320
    check_bounds(new_phone(), "email")


def test_a_user_name_has_2_to_20_letters_digits_and_underscores(new_phone):
    check_bounds(new_phone(), "username")


def test_a_phone_number_starts_with_a_plus_and_has_15_digits_at_most(new_phone):
    check_bounds(new_phone(), "phoneNumber")


def test_a_password_has_8_to_128_characters(new_phone):
    check_bounds(new_phone(), "password")


def check_bounds(phone, field):
    taken, refused = BOUNDS[field]
    for value in taken:
        zap_success(register(phone, **{field: value}))
    for value in refused:
        assert zap_fields(register(phone, **{field: value})) == (400, "invalid_request", [field])
    assert User.objects.count() == len(taken)


@pytest.mark.parametrize("password", ["no-digit-here", "nospecial123", "blank is no special 1"])
def test_a_password_has_a_digit_and_a_special_character(new_phone, password):
    assert zap_fields(register(new_phone(), password=password)) == (400, "invalid_request", ["password"])
    assert not User.objects.exists()


def test_fields_that_grant_rights_are_ignored_from_anyone_but_staff(new_phone):
    raising = {"roleId": 7, "referralCode": "friend", "isStaff": True, "is_staff": True, "is_superuser": True}
    assert zap_success(register(new_phone(), **raising))["roleId"] is None
    ordinary = new_phone().sign_up()
    assert zap_success(register(ordinary, **raising))["roleId"] is None
    assert not User.objects.filter(is_staff=True).exists()
    assert not User.objects.filter(is_superuser=True).exists()


def test_staff_set_a_role_id_that_is_a_text_or_a_number_too_large_for_64_bits(new_phone):
    staff = promote(new_phone().sign_up(), "users.add_user")
    made = register(staff, roleId=63847623874682374682376)
    assert zap_success(made)["roleId"] == "63847623874682374682376"
    assert zap_success(register(staff, roleId=" 63fc98989ffb63cf5cdd0587 "))["roleId"] == "63fc98989ffb63cf5cdd0587"
    # No other field that staff send grants rights.
    assert zap_success(register(staff, isStaff=True, is_superuser=True))["roleId"] is None
    assert User.objects.get(is_staff=True).pk == staff.user_id


def test_registration_is_open(new_phone):
    zap_success(register(new_phone()))


def test_a_setting_closes_registration_to_all_but_staff(new_phone, settings):
    ordinary, staff = new_phone().sign_up(), promote(new_phone().sign_up(), "users.add_user")
    settings.REGISTRATION_OPEN = False
    for phone in (new_phone(), ordinary):
        assert zap_error(register(phone)) == (403, "registration_closed")
    assert User.objects.count() == 2
    zap_success(register(staff))


def test_a_token_that_comes_with_a_registration_must_be_good(new_phone):
    phone = new_phone().sign_up()
    phone.log_out()
    assert zap_error(register(phone)) == (401, "session_ended")
    assert User.objects.count() == 1
