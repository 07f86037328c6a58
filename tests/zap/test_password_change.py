"""`POST /v1/changePassword`: change a password with the old one."""

from datetime import timedelta

import pytest
import time_machine

from sessions.models import EndReason, Session
from tests.bad_input import zap_error, zap_fields, zap_success
from tests.phones import PASSWORD, BuddyPhone, InProcess, promote, pushes_of, reset_code_in
from users.models import User

pytestmark = pytest.mark.only("zap")
NEW = "another-pass-2"


def change(phone, **fields):
    """Send a valid body, changed by ``fields``."""
    email = f"{phone.username}@example.org"
    good = {"userId": phone.user_id, "email": email, "oldPassword": PASSWORD, "newPassword": NEW}
    return phone.ask("POST", "/v1/changePassword", good | fields)


def password_of(phone):
    return User.objects.get(pk=phone.user_id).password


def test_change_password_answers_password_updated_successfully_and_the_new_one_logs_in(new_phone):
    phone = new_phone().sign_up()
    assert zap_success(change(phone)) == "Password updated successfully"
    login = {"identity": phone.username, "password": NEW}
    assert phone.call("POST", "/v1/login", login).status == 200
    assert zap_error(phone.log_in(phone.username)) == (401, "invalid_credentials")


def test_change_password_keeps_the_callers_session_and_ends_all_others_of_both_dialects(new_phone):
    phone, tablet = new_phone(device_token="phone").sign_up(), new_phone(device_token="tablet")
    buddy, stranger = BuddyPhone(InProcess(), device_token="push"), new_phone().sign_up()
    for other in (tablet, buddy):
        other.log_in(phone.username)
    zap_success(change(phone))
    assert [each.me().status for each in (phone, tablet, buddy, stranger)] == [200, 401, 401, 200]
    assert (phone.refresh().status, tablet.refresh().status) == (200, 401)
    ended = Session.objects.exclude(ended_at=None).values_list("end_reason", "ended_by")
    assert list(ended) == [(EndReason.PASSWORD_CHANGED, phone.user_id)] * 2
    assert pushes_of(phone.user_id) == ["phone"]


def test_change_password_is_for_ones_own_id_only_whoever_asks(new_phone):
    phone, other = new_phone().sign_up(), new_phone().sign_up()
    promote(phone, "users.view_user", "users.change_user")
    User.objects.filter(pk=phone.user_id).update(is_superuser=True)
    before = password_of(other)
    for user_id in (other.user_id, "0" * 24, "x"):
        assert zap_error(change(phone, userId=user_id)) == (403, "permission_denied")
        assert zap_error(change(phone, userId=user_id, email=f"{other.username}@example.org")) == (
            *(403, "permission_denied"),
        )
    assert password_of(other) == before
    assert other.me().status == 200


def test_change_password_with_another_email_is_a_422_that_names_it_and_changes_nothing(new_phone):
    phone, other = new_phone().sign_up(), new_phone().sign_up()
    for email in (f"{other.username}@example.org", "nobody@example.org", None):
        assert zap_fields(change(phone, email=email)) == (422, "email_mismatch", ["email"])
    assert phone.log_in(phone.username).status == 200


def test_change_password_takes_the_email_in_any_case_and_null_from_who_has_none(new_phone):
    phone, without = new_phone().sign_up(), new_phone()
    zap_success(change(phone, email=f"{phone.username}@EXAMPLE.org"))
    assert without.log_in(BuddyPhone(InProcess()).sign_up().username).status == 200
    assert zap_fields(change(without)) == (422, "email_mismatch", ["email"])
    zap_success(change(without, email=None))


def test_change_password_with_a_wrong_old_password_is_a_422_that_names_it_and_changes_nothing(new_phone):
    phone, tablet = new_phone().sign_up(), new_phone()
    tablet.log_in(phone.username)
    assert zap_fields(change(phone, oldPassword="wrong-pass-1")) == (422, "wrong_password", ["oldPassword"])
    assert phone.me().status == tablet.me().status == 200
    assert phone.log_in(phone.username).status == 200


@pytest.mark.parametrize("field", ["userId", "email", "oldPassword", "newPassword"])
def test_change_password_needs_user_id_email_old_password_and_new_password(new_phone, field):
    phone = new_phone().sign_up()
    email = f"{phone.username}@example.org"
    body = {"userId": phone.user_id, "email": email, "oldPassword": PASSWORD, "newPassword": NEW}
    del body[field]
    refused = phone.ask("POST", "/v1/changePassword", body)
    assert zap_fields(refused) == (400, "invalid_request", [field])
    assert phone.log_in(phone.username).status == 200


@pytest.mark.parametrize("new", ["short-1", "no-digit-here", "nospecial123", "x" * 127 + "-1", "", None, 12345678])
def test_change_password_keeps_the_new_password_within_the_documented_bounds(new_phone, new):
    phone = new_phone().sign_up()
    assert zap_fields(change(phone, newPassword=new)) == (400, "invalid_request", ["newPassword"])
    assert phone.log_in(phone.username).status == 200


def test_change_password_is_a_429_after_too_many_wrong_old_passwords_be_the_next_one_right(new_phone, settings):
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"login": (3, 600), "login_known": (3, 600)}
    with time_machine.travel("2026-03-01T12:00:00Z", tick=False) as clock:
        phone = new_phone().sign_up()
        for _ in range(3):
            assert change(phone, oldPassword="wrong-pass-1").status == 422
        before = password_of(phone)
        assert zap_error(change(phone)) == (429, "too_many_attempts")
        assert phone.last.headers["retry-after"] == "600"
        assert password_of(phone) == before
        clock.shift(timedelta(seconds=600))
        zap_success(change(phone))


def test_change_password_needs_a_live_session(new_phone):
    phone = new_phone().sign_up()
    phone.log_out()
    assert zap_error(change(phone)) == (401, "session_ended")
    assert phone.log_in(phone.username).status == 200


def test_change_password_makes_a_reset_code_that_was_mailed_before_worthless(new_phone, mailoutbox):
    phone = new_phone().sign_up()
    zap_success(phone.call("POST", "/v1/otp/forgotPassword", {"identity": phone.username}))
    zap_success(change(phone))
    reset = {"identity": phone.username, "otp": reset_code_in(mailoutbox[0]), "newPassword": PASSWORD}
    assert zap_error(phone.call("POST", "/v1/forgotPassword", reset)) == (422, "invalid_code")
