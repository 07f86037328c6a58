"""An email counts once the user verifies it by a mailed code."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
import time_machine
from django.db import connection

from sessions.passwords import reset_password
from sessions.verification import verify_email
from tests.bad_input import zap_error, zap_fields, zap_success
from tests.phones import PASSWORD, InProcess, ZapPhone, new_name, reset_code_in, work_of, wrong_code
from users.errors import CodeInvalid
from users.models import OneTimeCode, User
from users.origin import Origin
from users.reset_codes import LIFETIME, Purpose, issue_code

pytestmark = pytest.mark.usefixtures("commits")
INVALID = (422, "invalid_code", ["otp"])
NEW = "new@example.org"
SECOND = timedelta(seconds=1)


@pytest.fixture
def ann(new_phone, mailoutbox):
    """Ann, who has a verified email."""
    phone = new_phone().sign_up()
    User.objects.filter(pk=phone.user_id).update(email=own(phone), email_verified=True)
    mailoutbox.clear()
    return phone


@pytest.fixture
def code_for(mailoutbox):
    """Return the code in the newest mail to that address."""
    return lambda address: reset_code_in([mail for mail in mailoutbox if mail.to == [address]][-1])


def own(phone):
    return f"{phone.username}@example.org"


def post(path, **body):
    return ZapPhone(InProcess()).call("POST", path, body)


def verify(identity, otp):
    return post("/v1/otp/verify", identity=identity, otp=otp)


def set_email(phone, email):
    if phone.dialect == "zap":
        return phone.ask("PUT", f"/v1/users/{phone.user_id}", {"email": email})
    return phone.ask("PATCH", "/users/me", {"email": email})


def emails_of(phone):
    return User.objects.values_list("email", "new_email", "email_verified").get(pk=phone.user_id)


# --- another email -------------------------------------------------------------------------------


def test_a_new_email_counts_once_it_is_verified_and_the_one_before_it_is_told_twice(ann, mailoutbox, code_for):
    before = own(ann)
    assert set_email(ann, NEW).status == 200
    shown = ann.me().json
    assert (shown.get("data") or shown["result"])["email"] == NEW
    assert emails_of(ann) == (before, NEW, True)
    assert zap_success(verify(NEW, code_for(NEW))) == "OTP verified"
    assert emails_of(ann) == (NEW, None, True)
    assert [mail.to for mail in mailoutbox] == [[NEW], [before], [before]]
    assert "has taken the place of this one" in mailoutbox[-1].body
    zap = ZapPhone(InProcess())
    assert zap.call("POST", "/v1/login", {"identity": NEW, "password": PASSWORD}).status == 200
    assert zap.call("POST", "/v1/login", {"identity": before, "password": PASSWORD}).status == 401


@pytest.mark.only("zap")
def test_clients_see_the_new_email_as_one_that_is_not_verified(ann, code_for):
    shown = zap_success(set_email(ann, NEW))
    assert (shown["email"], shown["emailVerified"]) == (NEW, False)
    verify(NEW, code_for(NEW))
    shown = zap_success(ann.me())
    assert (shown["email"], shown["emailVerified"]) == (NEW, True)


@pytest.mark.parametrize("by", ["new email", "email", "user name", "phone number"])
def test_a_code_is_checked_by_whatever_names_the_user(ann, code_for, by):
    User.objects.filter(pk=ann.user_id).update(phone_number="+491")
    set_email(ann, NEW)
    identity = {"new email": NEW.upper(), "email": own(ann), "user name": ann.username, "phone number": "+491"}[by]
    assert zap_success(verify(identity, code_for(NEW))) == "OTP verified"


def test_setting_the_email_back_cancels_the_change(ann, mailoutbox, code_for):
    set_email(ann, NEW)
    code = code_for(NEW)
    assert set_email(ann, own(ann)).status == 200
    assert emails_of(ann) == (own(ann), None, True)
    assert "taken back" in mailoutbox[-1].body
    assert zap_fields(verify(ann.username, code)) == INVALID


def test_a_code_for_one_email_is_worthless_once_another_one_was_set(ann, code_for):
    set_email(ann, NEW)
    code = code_for(NEW)
    set_email(ann, "newer@example.org")
    OneTimeCode.objects.all().delete()
    user = User.objects.get(pk=ann.user_id)
    # The newest code, but mailed to the previous email, as if the mail came late.
    user.new_email = NEW
    code = issue_code(user, purpose=Purpose.EMAIL)
    for identity in (NEW, "newer@example.org", ann.username):
        assert zap_fields(verify(identity, code)) == INVALID
    assert emails_of(ann) == (own(ann), "newer@example.org", True)


def test_a_user_without_an_email_gets_it_at_once_as_one_that_is_not_verified(ann, code_for, mailoutbox):
    User.objects.filter(pk=ann.user_id).update(email=None, email_verified=False)
    set_email(ann, NEW)
    assert emails_of(ann) == (NEW, None, False)
    assert [mail.to for mail in mailoutbox] == [[NEW]]
    assert zap_success(verify(NEW, code_for(NEW))) == "OTP verified"
    assert emails_of(ann) == (NEW, None, True)


def test_an_email_that_another_user_has_is_taken_and_one_that_another_user_set_is_the_first_ones(
    ann, new_phone, mailoutbox, code_for
):
    ben = new_phone().sign_up()
    User.objects.filter(pk=ben.user_id).update(email=own(ben))
    assert set_email(ben, own(ann).upper()).status in (400, 422)
    assert emails_of(ben)[1] is None
    set_email(ann, NEW)
    first = code_for(NEW)
    assert set_email(ben, NEW).status == 200
    second = code_for(NEW)
    # Both users have this address. The code identifies one of them.
    assert zap_success(verify(NEW, first)) == "OTP verified"
    assert emails_of(ann) == (NEW, None, True)
    for identity in (NEW, ben.username):
        assert zap_fields(verify(identity, second)) == (422, "email_taken", ["email"])
    assert emails_of(ben) == (own(ben), NEW, False)


def test_a_new_password_drops_an_email_that_is_not_verified(ann, code_for):
    set_email(ann, NEW)
    code = code_for(NEW)
    zap = ZapPhone(InProcess())
    zap.log_in(ann.username)
    # The request may name either email of the account.
    body = {"userId": ann.user_id, "email": NEW, "oldPassword": PASSWORD, "newPassword": "another-pass-2"}
    assert zap.ask("POST", "/v1/changePassword", body).status == 200
    assert emails_of(ann) == (own(ann), None, True)
    assert zap_fields(verify(ann.username, code)) == INVALID


@pytest.mark.only("zap")
def test_changing_the_password_takes_the_new_email_or_the_one_before_it_and_no_other(ann):
    set_email(ann, NEW)
    body = {"userId": ann.user_id, "oldPassword": PASSWORD, "newPassword": PASSWORD}
    for email in (None, "other@example.org"):
        assert zap_error(ann.ask("POST", "/v1/changePassword", body | {"email": email}))[1] == "email_mismatch"
    assert ann.ask("POST", "/v1/changePassword", body | {"email": own(ann)}).status == 200


def test_the_codes_that_changes_send_are_counted(ann, new_phone, settings):
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"reset": (1, 3600), "reset_known": (1, 3600)}
    assert set_email(ann, NEW).status == 200
    assert set_email(ann, own(ann)).status == 200
    assert set_email(ann, NEW).status == 429
    assert emails_of(ann) == (own(ann), None, True)


def test_an_email_that_staff_set_waits_to_be_verified_and_the_one_before_it_is_told(ann, new_phone, mailoutbox):
    boss = new_phone().sign_up()
    User.objects.filter(pk=boss.user_id).update(is_staff=True, is_superuser=True)
    mailoutbox.clear()
    method, path = ("PUT", "/v1/users/") if boss.dialect == "zap" else ("PATCH", "/users/")
    assert boss.ask(method, path + ann.user_id, {"email": NEW}).status == 200
    assert emails_of(ann) == (own(ann), NEW, True)
    assert [mail.to for mail in mailoutbox] == [[NEW], [own(ann)]]
    assert "our staff changed your ZapAuth account" in mailoutbox[1].body


@pytest.mark.only("zap")
@pytest.mark.django_db(transaction=True)
def test_a_verification_and_a_reset_at_once_do_not_wait_for_each_other(new_phone, settings):
    settings.THROTTLING = False
    user = User.objects.create_user("ann", PASSWORD, email="ann@example.org", new_email=NEW)
    for _ in range(10):
        User.objects.update(email="ann@example.org", new_email=NEW)
        user.refresh_from_db()
        codes, barrier = (issue_code(user, purpose=Purpose.EMAIL), issue_code(user)), Barrier(2)

        def at_once(call, *args, barrier=barrier, **more):
            barrier.wait()
            try:
                call("ann", *args, origin=Origin(), **more)
                return True
            except CodeInvalid:
                return False
            finally:
                connection.close()

        with ThreadPoolExecutor(2) as pool:
            verified = pool.submit(at_once, verify_email, code=codes[0])
            was_reset = pool.submit(at_once, reset_password, code=codes[1], new_password="another-pass-2")
        # The first request deleted the code of the other request.
        assert {verified.result(), was_reset.result()} == {True, False}
        user.refresh_from_db()
        assert (user.email, user.new_email) == (NEW if verified.result() else "ann@example.org", None)


# --- registering ---------------------------------------------------------------------------------


def test_who_registers_with_an_email_is_mailed_a_code_that_verifies_it(new_phone, mailoutbox, code_for):
    phone, name = new_phone(), new_name()
    person = {"username": name, "email": f"{name}@example.org", "password": PASSWORD}
    if phone.dialect == "zap":
        assert phone.call("POST", "/v1/users", person).status == 201
    else:
        phone.register_device()
        assert phone.call("POST", "/users", person, token=phone.app_token).status == 200
    assert [mail.subject for mail in mailoutbox] == ["Verify your email for ZapAuth"]
    assert zap_success(verify(person["email"], code_for(person["email"]))) == "OTP verified"
    assert User.objects.values_list("email", "email_verified").get(username=name) == (person["email"], True)


def test_no_code_is_mailed_for_a_registration_that_fails(ann, new_phone, mailoutbox):
    phone = new_phone()
    person = {"username": ann.username, "email": NEW, "password": PASSWORD}
    if phone.dialect == "zap":
        assert phone.call("POST", "/v1/users", person).status == 422
    else:
        phone.register_device()
        assert phone.call("POST", "/users", person, token=phone.app_token).status == 400
    assert mailoutbox == []


# --- the routes, which are ZAP's and for all -------------------------------------------------------


def test_a_code_is_mailed_to_the_latest_email_of_that_user_and_to_no_other(ann, mailoutbox, code_for):
    set_email(ann, NEW)
    mailoutbox.clear()
    answers = [
        post("/v1/otp", email=email, userId=user_id)
        for email, user_id in (
            *[(NEW.upper(), ann.user_id), (own(ann), ann.user_id), ("nobody@example.org", ann.user_id)],
            *[(NEW, "0" * 24), (NEW, "x")],
        )
    ]
    assert {answer.text for answer in answers} == {'{"success":true,"data":"OTP Generated"}'}
    assert [mail.to for mail in mailoutbox] == [[NEW]]
    assert zap_success(verify(NEW, code_for(NEW))) == "OTP verified"


def test_a_code_is_mailed_again_by_email_or_user_name(ann, mailoutbox, code_for):
    set_email(ann, NEW)
    first = code_for(NEW)
    mailoutbox.clear()
    named = {"email": NEW.upper()}, {"username": ann.username.upper()}
    for name in (*named, {"email": own(ann)}, {"email": "nobody@example.org"}, {"username": "nobody"}):
        assert zap_success(post("/v1/otp/resend", **name)) == "OTP ReSent"
    assert [mail.to for mail in mailoutbox] == [[NEW]] * 2
    assert zap_fields(verify(NEW, first)) == INVALID
    assert zap_success(verify(NEW, code_for(NEW))) == "OTP verified"


@pytest.mark.only("zap")
def test_asking_costs_the_same_whether_or_not_there_is_such_a_user(ann):
    for path, known, unknown in (
        ("/v1/otp", {"email": own(ann), "userId": ann.user_id}, {"email": "no@example.org", "userId": ann.user_id}),
        ("/v1/otp/resend", {"username": ann.username}, {"username": "nobody"}),
        ("/v1/otp/verify", {"identity": ann.username, "otp": "1"}, {"identity": "nobody", "otp": "1"}),
    ):
        works = [work_of(lambda path=path, body=body: post(path, **body)) for body in (known, unknown)]
        assert works[0] == works[1]


@pytest.mark.only("zap")
def test_a_phone_number_alone_is_refused_for_there_is_no_sms_gateway(ann):
    for path, more in (("/v1/otp", {"userId": ann.user_id}), ("/v1/otp/resend", {})):
        refused = post(path, phoneNumber="+491", **more)
        assert zap_fields(refused) == (422, "no_sms_gateway", ["phoneNumber"])
        assert "SMS" in refused.json["message"]
    assert zap_success(post("/v1/otp", phoneNumber="+491", email=NEW, userId=ann.user_id)) == "OTP Generated"


@pytest.mark.only("zap")
def test_one_of_the_names_is_needed(ann):
    assert zap_fields(post("/v1/otp", userId=ann.user_id)) == (400, "invalid_request", ["email"])
    assert zap_fields(post("/v1/otp/resend")) == (400, "invalid_request", ["email"])


@pytest.mark.only("zap")
def test_codes_are_asked_for_and_tried_so_often_and_no_more(ann, settings):
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {
        "reset": (2, 3600),
        "reset_try": (2, 3600),
        "reset_known": (2, 3600),
        "reset_try_known": (2, 3600),
    }
    calls = (
        ("/v1/otp", {"email": NEW, "userId": ann.user_id}),
        ("/v1/otp/resend", {"username": ann.username}),
        ("/v1/otp/verify", {"identity": ann.username, "otp": "1"}),
    )
    for path, body in calls:
        assert [post(path, **body).status for _ in range(3)][-1] == 429


@pytest.mark.only("zap")
def test_a_code_is_wrong_after_ten_minutes_after_its_use_and_for_another_purpose(ann, code_for):
    with time_machine.travel("2026-03-01T12:00:00Z", tick=False) as clock:
        ann.log_in(ann.username)
        set_email(ann, NEW)
        code = code_for(NEW)
        assert zap_fields(verify(NEW, wrong_code(code))) == INVALID
        reset = {"identity": ann.username, "otp": code, "newPassword": "another-pass-2"}
        assert zap_fields(post("/v1/forgotPassword", **reset)) == INVALID
        clock.shift(LIFETIME)
        assert zap_fields(verify(NEW, code)) == INVALID
        clock.shift(-SECOND)
        assert zap_success(verify(NEW, code)) == "OTP verified"
        assert zap_fields(verify(NEW, code)) == INVALID


@pytest.mark.only("zap")
def test_a_reset_code_verifies_nothing_by_itself(ann, code_for):
    post("/v1/otp/forgotPassword", identity=ann.username)
    assert zap_fields(verify(ann.username, code_for(own(ann)))) == INVALID


@pytest.mark.only("zap")
@pytest.mark.parametrize("gone", [{"is_active": False}, {"deleted_at": "2026-03-01T12:00:00Z"}])
def test_who_is_disabled_or_deleted_is_mailed_nothing_and_verifies_nothing(ann, mailoutbox, code_for, gone):
    set_email(ann, NEW)
    code = code_for(NEW)
    mailoutbox.clear()
    User.objects.filter(pk=ann.user_id).update(**gone)
    post("/v1/otp", email=NEW, userId=ann.user_id)
    post("/v1/otp/resend", email=NEW)
    post("/v1/otp/resend", username=ann.username)
    assert mailoutbox == []
    assert zap_fields(verify(NEW, code)) == INVALID


@pytest.mark.only("zap")
def test_update_phone_changes_the_phone_number_and_answers_the_user(ann, new_phone):
    path = f"/v1/users/updatePhone/{ann.user_id}"
    assert zap_success(ann.ask("PUT", path, {"phoneNumber": "+491"}))["phoneNumber"] == "+491"
    assert zap_success(ann.me())["phoneNumber"] == "+491"
    for body in ({}, {"phoneNumber": None}, {"phoneNumber": "491"}):
        assert zap_fields(ann.ask("PUT", path, body)) == (400, "invalid_request", ["phoneNumber"])
    other = new_phone().sign_up()
    taken = other.ask("PUT", f"/v1/users/updatePhone/{other.user_id}", {"phoneNumber": "+491"})
    assert zap_fields(taken) == (422, "phone_number_taken", ["phoneNumber"])
    assert zap_error(other.ask("PUT", path, {"phoneNumber": "+492"})) == (403, "permission_denied")
