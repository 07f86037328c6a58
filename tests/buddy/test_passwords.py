"""`POST` and `PATCH /users/password`: a mailed code, and a new password with it."""

from datetime import timedelta

import pytest

from sessions.models import EndReason, Session
from tests.bad_input import buddy_success
from tests.phones import PASSWORD, BuddyPhone, InProcess, ZapPhone, all_pushes, reset_code_in, work_of, wrong_code
from users.models import OneTimeCode, Throttle, User

pytestmark = pytest.mark.only("buddy")
NEW = "another-pass-2"
FAILED = (401, "AuthFailed", 256)
SECOND = timedelta(seconds=1)


def error_of(reply):
    return reply.status, reply.json["error"], reply.json["errorNumber"]


@pytest.fixture
def ann(new_phone):
    phone = new_phone(device_token="push").sign_up("Ann.Lee")
    buddy_success(phone.ask("PATCH", "/users/me", {"email": "ann@example.org"}))
    return phone


def ask(phone, name="Ann.Lee", **fields):
    return phone.call("POST", "/users/password", {"userName": name} | fields, token=phone.app_token)


def reset(phone, code, *, name="Ann.Lee", new=NEW):
    body = {"userName": name, "resetCode": code, "newPassword": new}
    return phone.call("PATCH", "/users/password", body, token=phone.app_token)


def log_in(phone, password):
    return phone.call("POST", "/users/login", {"username": "Ann.Lee", "password": password}, token=phone.app_token)


@pytest.fixture
def new_code(ann, mailoutbox):
    """Ask for a code for Ann. Returns the code from the mail."""

    def ask_and_read():
        assert buddy_success(ask(ann)) is True
        return reset_code_in(mailoutbox[-1])

    return ask_and_read


# --- POST ----------------------------------------------------------------------------------------


def test_post_users_password_answers_true_and_mails_a_reset_code_to_the_users_email(ann, mailoutbox):
    for name in ("Ann.Lee", "ann.lee"):
        assert buddy_success(ask(ann, name)) is True
    assert [mail.to for mail in mailoutbox] == [["ann@example.org"]] * 2
    assert len({reset_code_in(mail) for mail in mailoutbox}) == 2


def test_post_users_password_ignores_subject_and_body(ann, mailoutbox):
    buddy_success(ask(ann, subject="Win a prize", body="http://evil.example"))
    buddy_success(ask(ann, subject=[1], body={"a": None}))
    for mail in mailoutbox:
        text = str(mail.message())
        assert "prize" not in text
        assert "evil" not in text
        assert reset_code_in(mail)


@pytest.mark.parametrize("level", ["app_token", "access_token"])
def test_both_calls_take_a_token_of_either_level_and_need_one(ann, mailoutbox, level):
    name, token = {"userName": "Ann.Lee"}, getattr(ann, level)
    invalid = (401, "AuthAccessTokenInvalid", 260)
    assert error_of(ann.call("POST", "/users/password", name)) == invalid
    buddy_success(ann.call("POST", "/users/password", name, token=token))
    body = name | {"resetCode": reset_code_in(mailoutbox[0]), "newPassword": NEW}
    assert error_of(ann.call("PATCH", "/users/password", body)) == invalid
    assert buddy_success(ann.call("PATCH", "/users/password", body, token=token)) is True


@pytest.mark.parametrize("name", ["nobody", "ann@example.org"])
def test_post_users_password_answers_true_for_who_is_unknown_for_the_same_work_and_mails_nobody(ann, mailoutbox, name):
    known = work_of(lambda: ask(ann))
    unknown = work_of(lambda: ask(ann, name))
    assert buddy_success(ann.last) is True
    assert known == unknown
    assert len(mailoutbox) == 1


@pytest.mark.parametrize("who", [{"is_active": False}, {"deleted_at": "2026-03-01T12:00:00Z"}, {"email": None}])
def test_no_mail_goes_to_who_is_disabled_or_deleted_or_has_no_email(ann, mailoutbox, who):
    User.objects.update(**who)
    assert buddy_success(ask(ann)) is True
    assert mailoutbox == []
    assert not OneTimeCode.objects.exists()


def test_post_users_password_is_auth_failed_and_a_429_after_too_many_codes(ann, mailoutbox, settings):
    Throttle.objects.all().delete()  # the change of the email has already sent a code
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"reset": (2, 600), "reset_known": (2, 600)}
    for name in ("Ann.Lee", "nobody"):
        assert [ask(ann, name).status for _ in range(2)] == [200, 200]
        refused = ask(ann, name)
        assert error_of(refused) == (429, "AuthFailed", 256)
        assert 590 <= int(refused.headers["retry-after"]) <= 600
    assert len(mailoutbox) == 2


# --- PATCH ---------------------------------------------------------------------------------------


def test_patch_users_password_answers_true_and_the_new_password_logs_in(ann, new_code):
    assert buddy_success(reset(ann, new_code())) is True
    assert log_in(ann, PASSWORD).status == 401
    assert buddy_success(log_in(ann, NEW))["id"] == ann.user_id


def test_patch_users_password_takes_a_form_and_any_spelling(ann, new_code):
    headers = {"Authorization": f"Buddy {ann.app_token}", "Content-Type": "application/x-www-form-urlencoded"}
    content = f"username=Ann.Lee&RESETCODE={new_code()}&newpassword={NEW}"
    assert buddy_success(ann.send("PATCH", "/users/password", headers=headers, content=content)) is True
    assert log_in(ann, NEW).status == 200


def test_patch_users_password_ends_all_of_the_users_sessions_in_both_dialects(ann, new_phone, new_code):
    zap, stranger = ZapPhone(InProcess(), device_token="phone"), new_phone(device_token="other").sign_up()
    zap.call("POST", "/v1/login", {"identity": "ann@example.org", "password": PASSWORD, "deviceToken": "phone"})
    given = zap.last.json["data"]
    zap.access_token, zap.refresh_token = given["token"], given["refreshToken"]
    tablet = BuddyPhone(InProcess())
    tablet.log_in("Ann.Lee")
    code = new_code()
    assert [each.me().status for each in (ann, zap, tablet, stranger)] == [200] * 4
    buddy_success(reset(ann, code))
    assert [each.me().status for each in (ann, zap, tablet, stranger)] == [401, 401, 401, 200]
    assert zap.refresh().status == 401
    ended = Session.objects.exclude(ended_at=None).values_list("end_reason", "ended_by")
    assert list(ended) == [(EndReason.PASSWORD_CHANGED, ann.user_id)] * 3
    assert all_pushes() == ["other"]
    assert ann.call("PATCH", "/devices/current", {}, token=ann.app_token).status == 200


def test_a_reset_code_works_once(ann, new_code):
    code = new_code()
    buddy_success(reset(ann, code))
    assert error_of(reset(ann, code, new="yet-another-3")) == FAILED
    assert log_in(ann, NEW).status == 200


def test_a_reset_code_is_good_until_the_second_that_its_10_minutes_are_over(clock, ann, new_code):
    code = new_code()
    clock.shift(timedelta(minutes=10))
    assert error_of(reset(ann, code)) == FAILED
    clock.shift(-SECOND)
    buddy_success(reset(ann, code))


def test_wrong_guesses_leave_the_reset_code_good(ann, new_code):
    code = new_code()
    for _ in range(15):
        assert error_of(reset(ann, wrong_code(code))) == FAILED
    buddy_success(reset(ann, code.upper().replace(" ", "-")))


def test_a_json_number_is_a_wrong_reset_code(ann, new_code):
    new_code()
    for number in (0, 12345678, 123456789012, 1.5):
        assert error_of(reset(ann, number)) == FAILED


def test_a_new_reset_code_kills_the_one_before(ann, new_code):
    first, second = new_code(), new_code()
    assert error_of(reset(ann, first)) == FAILED
    buddy_success(reset(ann, second))


def test_a_reset_code_that_was_asked_for_in_zap_is_good_here(ann, mailoutbox):
    ann.call("POST", "/v1/otp/forgotPassword", {"identity": "ann@example.org"})
    buddy_success(reset(ann, reset_code_in(mailoutbox[0])))
    assert log_in(ann, NEW).status == 200


def test_a_wrong_or_used_code_and_an_unknown_user_are_the_same_answer(ann, new_code):
    used = new_code()
    refusals = [reset(ann, wrong_code(used)), reset(ann, used, name="nobody"), reset(ann, used, name="ann@example.org")]
    buddy_success(reset(ann, used))
    refusals.append(reset(ann, used))
    refusals.append(reset(ann, "none"))
    assert {error_of(refusal) for refusal in refusals} == {FAILED}
    assert len({refusal.json["message"] for refusal in refusals}) == 1


def test_a_wrong_code_costs_the_same_for_an_unknown_user(ann, new_code):
    bad = wrong_code(new_code())
    assert work_of(lambda: reset(ann, bad)) == work_of(lambda: reset(ann, bad, name="nobody"))


def test_patch_users_password_is_auth_failed_and_a_429_after_too_many_tries_be_the_next_one_right(
    ann, settings, new_code
):
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"reset_try": (2, 600), "reset_try_known": (2, 600)}
    code = new_code()
    assert [reset(ann, wrong_code(code)).status for _ in range(2)] == [401, 401]
    refused = reset(ann, code)
    assert error_of(refused) == (429, "AuthFailed", 256)
    assert 590 <= int(refused.headers["retry-after"]) <= 600
    assert log_in(ann, PASSWORD).status == 200


def test_a_missing_or_empty_new_password_costs_no_try(ann, new_code):
    code = new_code()
    for new in ("", None) * 3:
        assert reset(ann, code, new=new).json["error"] == "ParameterMissingRequiredValue"
    buddy_success(reset(ann, code))
