"""The parameters of Buddy's bodies: wrong types, missing values, values out of range, and accepted odd values."""

import itertools
from urllib.parse import urlencode

import pytest

from tests.bad_input.answers import buddy_error, buddy_success
from tests.bad_input.database import undone
from tests.bad_input.dialects import BUDDY
from tests.bad_input.oddities import DEEP, FORM, NO_TEXT, UNSTORABLE
from tests.bad_input.routes import CUT, DESCRIPTIVE, WITH_BODY, each
from users.models import User

MISSING = (400, "ParameterMissingRequiredValue")
OUT_OF_RANGE = (400, "ParameterOutOfRange")
BAD_FORMAT = (400, "ParameterIncorrectFormat")
NO_TEXTS = [*NO_TEXT, DEEP]
NOT_YOURS = {"AuthAppCredentialsInvalid", "AuthBadUsernameOrPassword", "AuthFailed"}

ROUTES = [route for route in WITH_BODY if route.dialect is BUDDY]


@pytest.fixture
def dialect():
    return BUDDY


def taken(reply):
    """Return whether the parameters were accepted. Then the only possible refusal is that no user has these values."""
    if reply.status == 401:
        return buddy_error(reply)[1] in NOT_YOURS
    return buddy_success(reply) is not None


def names(reply, field):
    return field.lower() in reply.json["message"].lower()


@each(ROUTES)
def test_a_text_that_is_none_cannot_be_stored_or_is_too_long_is_refused(call, route, untouched, subtests):
    call = call.without("pushToken")
    refusals = [(BAD_FORMAT, value) for value in (*NO_TEXTS, *UNSTORABLE)]
    refusals += [(OUT_OF_RANGE, value) for value in ("x" * 4097, "é" * 15_000, "x" * 100_000, 10**4200)]
    for field, (refusal, value) in itertools.product(route.required + route.optional, refusals):
        if (field in DESCRIPTIVE and value in NO_TEXTS) or (field in CUT and refusal == OUT_OF_RANGE):
            continue
        with subtests.test(field=field, value=repr(value)[:30]):
            reply = call.with_fields(**{field: value}).send()
            assert buddy_error(reply) == refusal
            assert names(reply, field)
    untouched()


@each(ROUTES)
def test_a_required_parameter_that_is_left_out_empty_or_misspelt_is_missing(call, route, untouched, subtests):
    for field in route.required:
        rest = call.without(field)
        tries = {"left out": rest, "null": call.with_fields(**{field: None}), "empty": call.with_fields(**{field: ""})}
        if "password" not in field.lower():  # blanks at its ends count
            tries["blank"] = call.with_fields(**{field: " \t\n"})
        for name in (field + "\0", field + "\ud800", "\ufeff" + field, f"{field}[]", f" {field}"):
            tries[repr(name)] = rest.with_fields(**{name: call.body[field]})
        for name, broken in tries.items():
            with subtests.test(field=field, how=name):
                reply = broken.send()
                assert buddy_error(reply) == MISSING
                assert names(reply, field)
    untouched()


NO_VALUES = {
    "location": ["x", "1", "1,2,3", ",", "1,", "nan,1", "1,inf", "1;2", "x" * 10_000, 7, 1.5],
    "gender": ["x", "malefemale", "3", -1, 1.5, 10**400, "\u2642", "x" * 10_000],
    "isProduction": ["x", 7, 0.5, "2", "x" * 10_000],
    "email": ["x", "@", "x@", "@x.de", "a b@x.de", 7, "a@b.cd,e@f.gh"],
    "dateOfBirth": [
        *("x", "x" * 10_000, 7, -1.5, "/Date()/", "/Date(x)/", "/Date(1)", f"/Date({'9' * 18})/"),
        *(f"/Date(-{'9' * 15})/", "1990-13-01", "1990-02-30", "1990", "0000-01-01", "10000-01-01"),
        *("1990-03-05T25:00:00", "9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+12:00", "Mar 32, 1990 12:00:00 AM"),
    ],
}
BEYOND = {"location": ["90.1,0", "-91,0", "0,180.1", "0,-1e300"], "email": ["x" * 310 + "@example.org"]}


@each(ROUTES)
def test_a_value_of_the_wrong_form_or_beyond_its_bounds_is_refused(call, untouched, subtests):
    for field in NO_VALUES.keys() & call.body.keys():
        tries = [(BAD_FORMAT, value) for value in (*NO_VALUES[field], *NO_TEXT, DEEP, *UNSTORABLE)]
        tries += [(OUT_OF_RANGE, value) for value in BEYOND.get(field, [])]
        for refusal, value in tries:
            if field == "isProduction" and isinstance(value, bool):
                continue
            with subtests.test(field=field, value=repr(value)[:30]):
                reply = call.with_fields(**{field: value}).send()
                assert buddy_error(reply) == refusal
                assert names(reply, field)
    untouched()


LONGEST = {
    **dict.fromkeys(["appId", "appKey", "uniqueId"], 255),
    **dict.fromkeys(["platform", "osVersion", "appVersion", "connectionType"], 100),
    **dict.fromkeys(["username", "userName", "firstName", "lastName"], 150),
    **dict.fromkeys(["tag", "pushToken", "DeviceToken"], 4096),
    **dict.fromkeys(["password", "newPassword"], 128),
    "model": 512,
    "resetCode": 64,
}


@each(ROUTES)
def test_a_text_may_be_as_long_as_its_column_and_no_longer(call, route, untouched, subtests):
    call = call.without("pushToken")
    for field, letter in itertools.product({*route.required, *route.optional} - CUT, "xé"):
        with subtests.test(field=field, letter=letter), undone():
            # A code of the second factor may be appended to a log-in's password.
            longest = LONGEST[field] + (64 if (route.name, field) == ("login", "password") else 0)
            assert buddy_error(call.with_fields(**{field: letter * (longest + 1)}).send()) == OUT_OF_RANGE
            untouched()
            assert taken(call.with_fields(**{field: letter * longest}).send())


@pytest.mark.parametrize("letter", ["\ufdfa", "\ufb03", "\u3300"])  # normalization turns this character into several
def test_a_user_name_that_grows_when_it_is_stored_is_out_of_range(good, untouched, letter):
    for name in ("sign up", "change"):
        assert buddy_error(good(name).with_fields(username=letter * 150).send()) == OUT_OF_RANGE
        untouched()
    for name, field in (("login", "username"), ("ask for a code", "userName"), ("reset", "userName")):
        reply = good(name).with_fields(**{field: letter * 150}).send()
        assert reply.status in (200, 400, 401)
        assert BUDDY.is_documented(reply)


# --- what is taken although it looks odd -------------------------------------------------------


@each(ROUTES)
def test_a_text_that_is_too_long_in_a_crash_report_is_cut_and_stored(call, route, subtests):
    for field, value in itertools.product(CUT.intersection(call.body), ("x" * 100_000, "é" * 15_000, 10**4200)):
        with subtests.test(field=field, value=repr(value)[:30]), undone():
            assert taken(call.with_fields(**{field: value}).send())


@each(ROUTES)
def test_a_value_that_is_no_text_counts_as_left_out_in_a_descriptive_field(call, route, subtests):
    for field, value in itertools.product(DESCRIPTIVE.intersection(route.optional), NO_TEXTS):
        with subtests.test(field=field, value=repr(value)[:30]), undone():
            assert taken(call.with_fields(**{field: value}).send())


@each(ROUTES)
def test_a_number_is_taken_for_the_text_that_it_is_written_as(call, route, subtests):
    fields = route.required + route.optional
    chosen = [field for field in fields if "assword" in field and route.name != "login"]
    numbers = list(itertools.product([field for field in fields if field not in chosen], (0, -1.5, 10**60)))
    numbers += itertools.product(chosen, (2718281828, -27182818.5, 10**60))  # long enough for a password
    for field, number in numbers:
        with subtests.test(field=field, number=number), undone():
            assert taken(call.with_fields(**{field: number}).send())


def test_a_number_and_its_text_are_the_same_name_and_password(good):
    buddy_success(good("sign up").with_fields(username=4711, password=271828182845).send())
    buddy_success(good("login").with_fields(username="4711", password="271828182845").send())
    buddy_success(good("login").with_fields(username=4711, password=271828182845).send())


@each(ROUTES)
def test_null_is_the_same_as_left_out_and_an_optional_text_may_be_empty(call, route, subtests):
    odd = [{field: None} for field in call.without(*route.required).body] + [{field: ""} for field in route.optional]
    for fields in odd:
        with subtests.test(fields=fields), undone():
            buddy_success(call.with_fields(**fields).send())


@each(ROUTES)
def test_names_may_be_spelt_in_any_case_and_twice(call, subtests):
    for spell in (str.upper, str.lower, str.swapcase, str.title):
        spelt = {spell(name): value for name, value in call.body.items()}
        for parameters in (spelt, dict.fromkeys(spelt) | call.body):
            with subtests.test(parameters=list(parameters)), undone():
                buddy_success(call.but(body=parameters).send())


@each(ROUTES)
@pytest.mark.parametrize("as_form", [False, True])
def test_unknown_parameters_are_ignored(call, as_form):
    odd = {"unknown": "x", "\0": "1", "": "1", "x" * 10_000: "1", "__class__": "1", "é": "1", "body": "x"}
    odd |= {"is_staff": "1", "isSuperuser": "1", "user_id": "1", "created_at": "x", "deletedAt": "x", "id": "x"}
    call = call.with_fields(**odd)
    if as_form:
        buddy_success(call.send(urlencode(call.body).encode(), kind=FORM))
    else:
        odd = {"\ud800": 1, "deep": DEEP, "big": 10**4000, "subject": {"a": ["\ud800", None]}}
        buddy_success(call.with_fields(**odd).send())
    assert not User.objects.filter(is_staff=True).exists()
