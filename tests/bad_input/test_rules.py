"""Well-formed input that breaks a rule, in both dialects: a wrong value, or a value that belongs to another user."""

import pytest

from tests.bad_input.answers import buddy_error, zap_fields
from tests.bad_input.database import Untouched, undone
from tests.bad_input.dialects import BUDDY, ZAP
from tests.bad_input.oddities import LIKE_SQL
from tests.phones import PASSWORD
from users.models import User

REFUSAL = {ZAP: zap_fields, BUDDY: buddy_error}
both = pytest.mark.parametrize("dialect", [ZAP, BUDDY], ids=str)

NOT_THE_PASSWORD = [PASSWORD.upper(), f" {PASSWORD}", *LIKE_SQL]
WRONG_PASSWORD = (422, "wrong_password", ["oldPassword"])
WRONG_CODE = (422, "invalid_code", ["otp"])
NO_ZAP_LOGIN = (401, "invalid_credentials", [])
NO_APP = (401, "AuthAppCredentialsInvalid")
NO_BUDDY_LOGIN = (401, "AuthBadUsernameOrPassword")
AUTH_FAILED = (401, "AuthFailed")
NOBODYS = [
    (ZAP, "change password", "email", [None, "other@example.org", "x", *LIKE_SQL], (422, "email_mismatch", ["email"])),
    (ZAP, "change password", "oldPassword", [" \t\n", *NOT_THE_PASSWORD], WRONG_PASSWORD),
    (ZAP, "change password", "userId", ["0" * 24, "me", *(sql[:24] for sql in LIKE_SQL)], (*ZAP.not_yours, [])),
    (ZAP, "reset", "identity", ["nobody", "+1", "a@b.cd", *LIKE_SQL], WRONG_CODE),
    (ZAP, "reset", "otp", ["00000000", "x", "٣" * 8, 0, 7, -1.5, 10**63, 1e300, *LIKE_SQL], WRONG_CODE),
    (ZAP, "login", "identity", ["nobody", "+1", "a@b.cd", *LIKE_SQL], NO_ZAP_LOGIN),
    (ZAP, "login", "password", [" ", *NOT_THE_PASSWORD], NO_ZAP_LOGIN),
    (ZAP, "refresh", "refreshToken", ["x", *LIKE_SQL], (*ZAP.bad_token, [])),
    (BUDDY, "register", "appId", ["0" * 24, *LIKE_SQL], NO_APP),
    (BUDDY, "register", "appKey", ["x", *LIKE_SQL], NO_APP),
    (BUDDY, "login", "username", ["nobody", *LIKE_SQL], NO_BUDDY_LOGIN),
    (BUDDY, "login", "password", [" ", *NOT_THE_PASSWORD], NO_BUDDY_LOGIN),
    (BUDDY, "reset", "userName", ["nobody", "a@b.cd", *LIKE_SQL], AUTH_FAILED),
    (BUDDY, "reset", "resetCode", ["00000000", "x", "٣" * 8, 0, -1.5, 10**63, *LIKE_SQL], AUTH_FAILED),
]


@pytest.mark.parametrize(
    ("dialect", "name", "field", "values", "refusal"),
    NOBODYS,
    ids=[f"{case[0]}, {case[1]}, {case[2]}" for case in NOBODYS],
)
def test_a_well_formed_value_that_is_not_the_right_one_is_refused(
    dialect, phone, good, subtests, name, field, values, refusal
):
    call, untouched = good(name), Untouched()
    for value in values:
        with subtests.test(value=repr(value)[:30]), undone():
            assert REFUSAL[dialect](call.with_fields(**{field: value}).send()) == refusal
            untouched()
    assert phone.me().status == 200


TAKEN = [
    (ZAP, "username", (422, "username_taken", ["username"])),
    (ZAP, "email", (422, "email_taken", ["email"])),
    (ZAP, "phoneNumber", (422, "phone_number_taken", ["phoneNumber"])),
    (BUDDY, "username", (400, "ItemAlreadyExists")),
    (BUDDY, "email", (400, "ItemAlreadyExists")),
]


@pytest.mark.parametrize(("dialect", "field", "refusal"), TAKEN, ids=[f"{case[0]}, {case[1]}" for case in TAKEN])
def test_a_value_of_another_user_is_refused_in_any_case(dialect, good, untouched, subtests, field, refusal):
    other = User.objects.get(phone_number="+49")
    value = {"username": other.username, "email": other.email, "phoneNumber": other.phone_number}[field].upper()
    for name in ({ZAP: "register", BUDDY: "sign up"}[dialect], "change"):
        with subtests.test(name=name), undone():
            assert REFUSAL[dialect](good(name).with_fields(**{field: value}).send()) == refusal
            untouched()


@both
def test_a_request_for_a_code_gets_the_same_answer_for_known_and_unknown_identities(dialect, good, untouched, subtests):
    call = good("ask for a code")
    with undone():
        known = dialect.success(call.send())
    field, own = {ZAP: ("identity", ["+1", "x" * 320, "\ufdfa" * 300]), BUDDY: ("userName", ["x" * 150, 7])}[dialect]
    for who in ("nobody", "a@b.cd", *own, *LIKE_SQL):
        with subtests.test(who=repr(who)[:30]):
            assert dialect.success(call.with_fields(**{field: who}).send()) == known
    untouched()
