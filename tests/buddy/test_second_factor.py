"""The second factor in Buddy: the code is appended to the password."""

from datetime import timedelta

import pytest

from sessions.models import Session
from tests.bad_input import buddy_error
from tests.phones import PASSWORD, BuddyPhone, InProcess, work_of
from tests.second_factor import NO_RECOVERY_CODE, give_factor
from users.models import SecurityEvent, User

pytestmark = [pytest.mark.only("buddy"), pytest.mark.usefixtures("commits")]
STEP = timedelta(seconds=30)
REFUSED = (401, "AuthBadUsernameOrPassword")


@pytest.fixture
def ben(clock, new_phone):
    return new_phone().sign_up()


@pytest.fixture
def secured(ben):
    """Ben's phone, his authenticator app and his recovery codes."""
    return ben, *give_factor(ben.user_id)


def log_in(phone, typed, name=None):
    return phone.call(
        "POST", "/users/login", {"username": name or phone.username, "password": typed}, token=phone.app_token
    )


def set_password(phone, password):
    user = User.objects.get(pk=phone.user_id)
    user.set_password(password)
    user.save()


def test_the_code_is_appended_to_the_password(secured, clock):
    ben, app, _ = secured
    assert log_in(ben, PASSWORD + app.code()).status == 200
    assert buddy_error(log_in(ben, PASSWORD + app.code())) == REFUSED
    clock.shift(STEP)
    assert log_in(ben, PASSWORD + app.code()).status == 200


def test_without_a_right_code_the_answer_is_that_of_a_wrong_password(secured):
    ben, app, codes = secured
    before = Session.objects.count()
    wrong = log_in(ben, "wrong-horse-1").json
    for typed in (
        PASSWORD,
        PASSWORD + app.wrong_code(),
        PASSWORD + app.code()[:5],
        app.code(),
        app.code() + PASSWORD,
        "wrong-horse-1" + app.code(),
        PASSWORD + NO_RECOVERY_CODE,
        codes[0],
        PASSWORD + "\uff11\uff12\uff13\uff14\uff15\uff16",
    ):
        reply = log_in(ben, typed)
        assert buddy_error(reply) == REFUSED
        assert reply.json | {"request_id": ""} == wrong | {"request_id": ""}
    assert Session.objects.count() == before
    assert log_in(ben, PASSWORD + app.code()).status == 200  # no attempt has used it up


@pytest.mark.parametrize(
    "written", [str, str.upper, lambda code: code.replace("-", ""), lambda code: code.replace("-", " ")]
)
def test_a_recovery_code_is_appended_in_the_same_way_and_works_once(secured, written):
    ben, _, codes = secured
    assert log_in(ben, PASSWORD + written(codes[0])).status == 200
    assert buddy_error(log_in(ben, PASSWORD + written(codes[0]))) == REFUSED
    assert SecurityEvent.objects.filter(user_id=ben.user_id, event="recovery_code_used").count() == 1


def test_a_password_that_itself_ends_in_six_digits_needs_a_code_after_it(secured):
    ben, app, codes = secured
    set_password(ben, "correct-horse-123456")
    assert buddy_error(log_in(ben, "correct-horse-123456")) == REFUSED
    assert buddy_error(log_in(ben, "correct-horse-" + app.code())) == REFUSED
    assert log_in(ben, "correct-horse-123456" + app.code()).status == 200
    assert log_in(ben, "correct-horse-123456" + codes[0]).status == 200


def test_a_password_and_a_code_may_together_look_like_a_recovery_code(secured):
    ben, app, codes = secured
    set_password(ben, "correcthorsebatterystaple")
    assert log_in(ben, "correcthorsebatterystaple" + app.code()).status == 200
    assert log_in(ben, "correcthorsebatterystaple" + codes[0].replace("-", "")).status == 200


def test_a_recovery_code_that_ends_in_six_digits_is_not_read_as_a_code_of_the_app(ben, monkeypatch):
    letters = iter("abcdefghjkmnpqrstv123456")
    monkeypatch.setattr("users.second_factor.recovery.secrets.choice", lambda _: next(letters))
    monkeypatch.setattr("users.second_factor.recovery.COUNT", 1)
    _, (code,) = give_factor(ben.user_id)
    assert code.endswith("12-3456")
    assert log_in(ben, PASSWORD + code.replace("-", "")).status == 200


def test_a_user_without_a_factor_types_only_the_password(ben):
    assert log_in(ben, PASSWORD).status == 200
    assert buddy_error(log_in(ben, PASSWORD + "123456")) == REFUSED
    set_password(ben, "correct-horse-123456")
    assert log_in(ben, "correct-horse-123456").status == 200


def test_the_longest_password_leaves_room_for_a_code(secured):
    ben, app, codes = secured
    set_password(ben, "p" * 128)
    assert log_in(ben, "p" * 128 + app.code()).status == 200
    assert log_in(ben, "p" * 128 + codes[0]).status == 200


def test_attempts_without_a_code_lock_out_like_wrong_passwords(secured, settings):
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"login": (3, 900), "login_known": (3, 900)}
    ben, app, _ = secured
    for typed in (PASSWORD, PASSWORD + app.wrong_code(), PASSWORD):
        assert buddy_error(log_in(ben, typed)) == REFUSED
    assert buddy_error(log_in(ben, PASSWORD + app.code()))[0] == 429


def test_too_many_codes_do_not_tell_that_the_password_was_right(secured, settings):
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"second_factor": (2, 86400)}
    ben, app, codes = secured
    for _ in range(5):
        assert buddy_error(log_in(ben, PASSWORD + app.wrong_code())) == REFUSED
    assert buddy_error(log_in(ben, PASSWORD + app.code())) == REFUSED
    assert log_in(ben, PASSWORD + codes[0]).status == 200


def test_each_attempt_hashes_one_password(secured):
    ben, app, codes = secured
    assert work_of(lambda: log_in(ben, PASSWORD)).hashes == 1
    for typed in (PASSWORD + app.wrong_code(), "wrong-horse-1", PASSWORD + NO_RECOVERY_CODE, codes[0], "123456"):
        assert work_of(lambda typed=typed: log_in(ben, typed)).hashes == 1
    assert work_of(lambda: log_in(ben, PASSWORD, "nobody")).hashes == 1
    assert work_of(lambda: log_in(ben, PASSWORD + app.code())).hashes == 1


def test_a_wrong_password_takes_the_same_work_with_and_without_a_factor_and_for_nobody(secured, new_phone):
    ben, _, _ = secured
    plain = BuddyPhone(InProcess(), app_id=ben.app_id, app_key=ben.app_key).sign_up()
    log_in(plain, PASSWORD)
    works = [
        work_of(lambda name=name: log_in(ben, "wrong-horse-1", name))
        for name in (ben.username, plain.username, "nobody")
    ]
    assert len({work.hashes for work in works}) == 1
    assert len({work.statements for work in works}) == 1
