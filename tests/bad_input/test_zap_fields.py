"""The fields of ZAP's bodies: wrong types, missing values, values out of range, and odd values that are accepted."""

import itertools

import pytest

from tests.bad_input.answers import zap_error, zap_fields, zap_success
from tests.bad_input.database import Untouched, undone
from tests.bad_input.dialects import ZAP
from tests.bad_input.oddities import DEEP, NO_TEXT, UNSTORABLE
from tests.bad_input.routes import WITH_BODY, each
from users.models import User

ROUTES = [route for route in WITH_BODY if route.dialect is ZAP]


@pytest.fixture
def dialect():
    return ZAP


# Fields that are not only texts. The values are constants, so `is` tells 0 from False.
NO_TEXTS = [0, 7, -1.5]
MAY_BE = {"otp": NO_TEXTS, "token": NO_TEXTS[:2], "twoFaToken": NO_TEXTS[:2], "endOthers": [True, False]}


@each(ROUTES)
def test_a_field_that_is_no_text_or_cannot_be_stored_is_named(call, route, untouched, subtests):
    no_texts = [*NO_TEXTS, 10**4000, *NO_TEXT, DEEP, *UNSTORABLE, "x" * 100_000, "\0" * 10_000, "é" * 5000]
    for field, value in itertools.product(route.required + route.optional, no_texts):
        if any(value is each for each in MAY_BE.get(field, ())):
            continue
        with subtests.test(field=field, value=repr(value)[:30]):
            assert zap_fields(call.with_fields(**{field: value}).send()) == (400, "invalid_request", [field])
    untouched()


@each(ROUTES)
def test_a_required_field_that_is_left_out_empty_or_misspelt_is_named(call, route, untouched, subtests):
    for field in route.required:
        rest = call.without(field)
        spellings = [field + "\0", field + "\ud800", "\ufeff" + field, field.upper(), f"{field}[]", f" {field}"]
        absent = {"left out": rest} | {repr(name): rest.with_fields(**{name: call.body[field]}) for name in spellings}
        empty = {"empty": call.with_fields(**{field: ""})}
        if (route.name, field) != ("change password", "email"):  # the value of a user without one
            empty["null"] = call.with_fields(**{field: None})
        if "password" not in field.lower():  # blanks at its ends count
            empty["blank"] = call.with_fields(**{field: " \t\n"})
        # A log-in without both names reports the first one as missing.
        lacking = "identity" if route.name == "login by email" and field == "email" else field
        for name, broken in (absent | empty).items():
            with subtests.test(field=field, how=name):
                named = lacking if name in absent else field
                assert zap_fields(broken.send()) == (400, "invalid_request", [named])
    untouched()


@each(route for route in ROUTES if route.required)
def test_no_body_and_an_empty_object_lack_all_the_required_fields(call, untouched, route):
    # One of two fields is required if the others are present.
    one_of_two = {"login": "identity", "login by email": "email", "ask for an email code": "email"}.get(route.name)
    required = [field for field in route.required if field != one_of_two]
    for body in (None, {}):
        assert zap_fields(call.but(body=body).send()) == (400, "invalid_request", required)
    untouched()


NO_NEW_PASSWORD = ["short-1", "no-digit-here", "nospecial123", "       1", "-1" * 65]
NO_EMAIL = ["x", "x@", "@x.de", "x@y", "a b@x.de", "x" * 310 + "@example.org", "a@b.cd, e@f.gh"]
OUT_OF_BOUNDS = {
    "username": ["a", "a" * 21, "a b", "a-b", "añb", "٣٣", "a'--", "<b>", "a.b", "a@b.cd"],
    "phoneNumber": ["", " ", "4915112345678", "+", "+1" + "0" * 15, "+49 151", "+٣٣", "++1"],
    "name": ["x" * 151],
    "newPassword": NO_NEW_PASSWORD,
    "oldPassword": ["x" * 129],
    "identity": ["x" * 321],
    "deviceToken": ["x" * 4097, "é" * 4097],
    "refreshToken": ["x" * 4097],
    "userId": ["x" * 25],
    "otp": ["x" * 65, 10**64],
    "token": ["x" * 65, 10**6, -1],
    "twoFaToken": ["x" * 65, 10**6, -1],
    "endOthers": [None, "", "true", 1],
    "scope": ["THIS", "this ", "this,others", "global", "Scope.ALL"],
}


@each(ROUTES)
def test_a_value_out_of_its_bounds_is_refused_and_its_field_named(call, route, untouched, subtests):
    is_new = route.name in ("register", "change")
    own = {"email": NO_EMAIL if is_new else ["x" * 321]}
    own |= {"password": NO_NEW_PASSWORD if route.name == "register" else ["x" * 129]}
    for field in route.required + route.optional:
        for value in (OUT_OF_BOUNDS | own)[field]:
            with subtests.test(field=field, value=repr(value)[:30]):
                assert zap_fields(call.with_fields(**{field: value}).send()) == (400, "invalid_request", [field])
    untouched()


def test_all_fields_at_fault_are_named_at_once(good):
    reply = good("register").but(body={"email": 7, "name": []}).send()
    assert zap_error(reply) == (400, "invalid_request")
    assert set(reply.json["errors"]) == {"username", "email", "password", "name"}


@pytest.mark.parametrize("value", [None, "", " \t"])
def test_a_user_name_and_an_email_cannot_be_changed_to_none(good, untouched, value):
    for field in ("username", "email"):
        reply = good("change").with_fields(**{field: value}).send()
        assert zap_fields(reply) == (400, "invalid_request", [field])
    untouched()


# --- what is optional, unknown or ignored ------------------------------------------------------

UNKNOWN = {"unknown": {"a": ["\ud800"]}, "\ud800": 1, "\0": 1, "": 1, "x" * 50_000: 1, "__class__": 1, "deep": DEEP}
HARMLESS = {
    "register": [
        {"phoneNumber": None, "name": ""},
        *[{"roleId": value, "referralCode": value} for value in (None, [], {}, "\ud800", 10**4000)],
    ],
    "login": [
        *[{"isApp": value} for value in (True, None, 7, [], {}, "\0")],
        *[{"twoFaToken": value} for value in (None, 7, "", "123456")],
        {"deviceToken": None},
        {"deviceToken": ""},
    ],
    "change": [
        {"phoneNumber": None, "name": None},
        {"name": ""},
        *[{"roleId": value} for value in (None, [], {}, "\ud800", 10**4000)],
    ],
}


@each(ROUTES)
def test_optional_unknown_or_ignored_fields_are_no_reason_to_refuse(call, route, subtests):
    for fields in [UNKNOWN, *HARMLESS.get(route.name, [])]:
        with subtests.test(fields=repr(fields)[:40]), undone():
            zap_success(call.with_fields(**fields).send())
    if not route.required:
        zap_success(call.but(body={}).send())


@pytest.mark.parametrize("name", ["register", "change"])
def test_fields_that_only_staff_may_set_are_ignored_from_others_in_any_form(good, name):
    fields = {"is_staff": True, "isStaff": True, "is_superuser": True, "role_id": 1, "roleId": 1, "id": "0" * 24}
    fields |= {"emailVerified": True, "email_verified": True, "is_active": False, "deletedAt": "2023-02-27"}
    made = zap_success(good(name).with_fields(**fields).send())
    user = User.objects.get(pk=made["id"])
    assert (user.is_staff, user.is_superuser, user.role_id, user.email_verified) == (False, False, None, False)
    assert (user.is_active, user.deleted_at) == (True, None)


@pytest.mark.parametrize("name", ["register", "change"])
def test_a_role_id_is_a_text_or_a_whole_number_and_anything_else_is_refused_from_staff(good, phone, subtests, name):
    User.objects.filter(pk=phone.user_id).update(is_superuser=True, is_staff=True)
    call, other = good(name).but(token=phone.access_token), User.objects.exclude(pk=phone.user_id)[0]
    call, untouched = call.but(path=call.path.replace(phone.user_id, other.pk)), Untouched()
    bad = [*NO_TEXT, *UNSTORABLE, 0.5, 1e-300, 1e300, 10**64, -(10**64), 10**4000, "x" * 65]
    for role_id in bad:
        with subtests.test(role_id=repr(role_id)[:30]), undone():
            assert zap_fields(call.with_fields(roleId=role_id).send()) == (400, "invalid_request", ["roleId"])
            untouched()
    texts = {"x": "x", " 007 ": "007", "NaN": "NaN", "é" * 64: "é" * 64, "": None, " \t": None, None: None}
    numbers = {0: "0", -1: "-1", 7.0: "7", 10**39: str(10**39), 10**64 - 1: "9" * 64}
    for role_id, stored in (*texts.items(), *numbers.items()):
        with subtests.test(role_id=role_id), undone():
            assert zap_success(call.with_fields(roleId=role_id).send())["roleId"] == stored
