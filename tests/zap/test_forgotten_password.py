"""`POST /v1/otp/forgotPassword` and `POST /v1/forgotPassword`: a mailed code, and a new password with it."""

import hashlib
import re
from datetime import timedelta

import pytest
from django.db import connection

from sessions.models import EndReason, Session
from tests.bad_input import zap_error, zap_fields, zap_success
from tests.phones import PASSWORD, BuddyPhone, InProcess, all_pushes, new_name, reset_code_in, work_of, wrong_code
from users.models import OneTimeCode, User
from users.reset_codes import Purpose, issue_code

pytestmark = pytest.mark.only("zap")
NEW = "another-pass-2"
INVALID = (422, "invalid_code", ["otp"])
SECOND = timedelta(seconds=1)
# One identity of each kind that belongs to Ann, and one that belongs to nobody.
IDENTITIES = {
    "user name": ("ann_lee", "nobody"),
    "email": ("ann_lee@example.org", "nobody@example.org"),
    "phone number": ("+4915112345678", "+4915187654321"),
}
each_identity = pytest.mark.parametrize(("known", "unknown"), IDENTITIES.values(), ids=IDENTITIES)


@pytest.fixture
def ann(new_phone):
    phone = new_phone(device_token="phone").sign_up("ann_lee")
    User.objects.filter(pk=phone.user_id).update(phone_number="+4915112345678")
    return phone


def ask(phone, identity="ann_lee"):
    return phone.call("POST", "/v1/otp/forgotPassword", {"identity": identity})


def reset(phone, otp, *, identity="ann_lee", new=NEW):
    return phone.call("POST", "/v1/forgotPassword", {"identity": identity, "otp": otp, "newPassword": new})


@pytest.fixture
def new_code(ann, mailoutbox):
    """Ask for a code for Ann. Returns the code from the mail."""

    def ask_and_read():
        zap_success(ask(ann))
        return reset_code_in(mailoutbox[-1])

    return ask_and_read


# --- asking for a code ---------------------------------------------------------------------------


@each_identity
def test_forgot_password_answers_reset_email_sent_and_mails_a_code_to_the_users_email(ann, mailoutbox, known, unknown):
    for identity in (known, known.upper()):
        assert zap_success(ask(ann, identity)) == "Reset Email sent"
    assert [mail.to for mail in mailoutbox] == [["ann_lee@example.org"]] * 2
    assert ann.log_in("ann_lee").status == 200


@each_identity
def test_forgot_password_answers_the_same_for_an_unknown_identity_and_mails_nobody(ann, mailoutbox, known, unknown):
    answers = [ask(ann, identity) for identity in (known, unknown)]
    assert [answer.text for answer in answers] == ['{"success":true,"data":"Reset Email sent"}'] * 2
    assert len(mailoutbox) == 1


@each_identity
def test_forgot_password_costs_the_same_for_an_unknown_identity(ann, mailoutbox, known, unknown):
    works = [work_of(lambda identity=identity: ask(ann, identity)) for identity in (known, unknown)]
    assert works[0] == works[1]
    assert len(mailoutbox) == 1


def test_the_mail_names_the_service_the_code_and_its_10_minutes(ann, mailoutbox, settings):
    settings.SERVICE_NAME, settings.DEFAULT_FROM_EMAIL = "Zap & Co", "zap@example.org"
    ask(ann)
    (mail,) = mailoutbox
    assert (mail.from_email, mail.subject) == ("zap@example.org", "Your Zap & Co reset code")
    assert "Zap & Co account" in mail.body
    assert "10 minutes" in mail.body
    assert reset_code_in(mail) not in mail.subject


@pytest.mark.parametrize(
    "who",
    [{"is_active": False}, {"deleted_at": "2026-03-01T12:00:00Z"}, {"email": None}],
    ids=lambda who: next(iter(who)),
)
def test_no_mail_goes_to_who_is_disabled_or_deleted_or_has_no_email(ann, mailoutbox, who):
    User.objects.filter(pk=ann.user_id).update(**who)
    assert zap_success(ask(ann)) == "Reset Email sent"
    assert mailoutbox == []
    assert not OneTimeCode.objects.exists()


def test_no_password_and_no_session_changes_by_asking_for_a_code(ann, new_code):
    new_code()
    assert ann.me().status == 200
    assert ann.log_in("ann_lee").status == 200


def test_forgot_password_needs_an_identity(ann, mailoutbox):
    for body in ({}, {"identity": ""}, {"identity": None}, {"identity": 7}):
        refused = ann.call("POST", "/v1/otp/forgotPassword", body)
        assert zap_fields(refused) == (400, "invalid_request", ["identity"])
    assert mailoutbox == []


# --- the code ------------------------------------------------------------------------------------


def test_a_code_has_12_hexadecimal_digits_in_three_groups_and_is_another_each_time(ann, settings, new_code):
    settings.THROTTLING = False
    codes = [new_code() for _ in range(10)]
    assert all(re.fullmatch(r"[0-9a-f]{4} [0-9a-f]{4} [0-9a-f]{4}", code) for code in codes)
    assert len(set(codes)) == 10


def test_a_code_sets_the_new_password_and_the_old_one_is_dead(ann, new_code):
    assert zap_success(reset(ann, new_code())) == "Password updated successfully"
    assert (
        zap_success(ann.call("POST", "/v1/login", {"identity": "ann_lee", "password": NEW}))["data"]["id"]
        == ann.user_id
    )
    assert zap_error(ann.log_in("ann_lee")) == (401, "invalid_credentials")


@each_identity
def test_a_code_is_good_with_whatever_identity_means_the_user(ann, new_code, known, unknown):
    assert zap_fields(reset(ann, new_code(), identity=unknown)) == INVALID
    zap_success(reset(ann, new_code(), identity=known.upper()))


def test_a_code_works_once(ann, new_code):
    code = new_code()
    zap_success(reset(ann, code))
    assert zap_fields(reset(ann, code, new="yet-another-3")) == INVALID
    assert ann.call("POST", "/v1/login", {"identity": "ann_lee", "password": NEW}).status == 200


def test_a_code_is_good_until_the_second_that_its_10_minutes_are_over(clock, ann, new_code):
    code = new_code()
    clock.shift(timedelta(minutes=10))
    assert zap_fields(reset(ann, code)) == INVALID
    clock.shift(-SECOND)
    zap_success(reset(ann, code))


def test_wrong_guesses_leave_the_code_good(ann, new_code):
    code = new_code()
    for _ in range(15):
        assert zap_fields(reset(ann, wrong_code(code))) == INVALID
    zap_success(reset(ann, code))


@pytest.mark.parametrize(
    "typed", [str.upper, str.title, lambda code: code.replace(" ", ""), lambda code: f" {code.replace(' ', '-')}\n"]
)
def test_a_code_is_good_in_any_case_with_blanks_with_hyphens_or_with_none(ann, new_code, typed):
    zap_success(reset(ann, typed(new_code())))


def test_a_new_code_kills_the_one_before(ann, new_code):
    first, second = new_code(), new_code()
    assert zap_fields(reset(ann, first)) == INVALID
    zap_success(reset(ann, second))


def test_a_code_of_one_user_is_worth_nothing_for_another(ann, new_phone, new_code):
    other, code = new_phone().sign_up(), new_code()
    ask(other, other.username)
    assert zap_fields(reset(other, code, identity=other.username)) == INVALID
    # The code is refused even if its digest replaces that of the other code.
    stolen = OneTimeCode.objects.get(user=ann.user_id).digest
    OneTimeCode.objects.filter(user=other.user_id).update(digest=stolen)
    assert zap_fields(reset(other, code, identity=other.username)) == INVALID
    assert other.log_in(other.username).status == 200


@pytest.mark.parametrize("drawn", ["123456789012", "12345678901e", "000000000000", "1234567e8901"])
def test_a_code_that_could_be_taken_for_a_number_is_never_mailed(ann, new_code, monkeypatch, drawn):
    codes = iter([drawn, "3f9a1c07b2e4"])
    with monkeypatch.context() as patch:
        patch.setattr("users.reset_codes.secrets.token_hex", lambda *_: next(codes))
        assert new_code() == "3f9a 1c07 b2e4"


@pytest.mark.parametrize("number", [0, 12345678, 123456789012, 1.5, -1, 10**70])
def test_a_json_number_is_a_wrong_code(ann, new_code, number):
    new_code()
    refused = reset(ann, number)
    assert zap_fields(refused) in (INVALID, (400, "invalid_request", ["otp"]))


def test_a_refused_new_password_costs_no_try_and_leaves_the_code_good(ann, new_code):
    code = new_code()
    for new in ("short-1", "no-digit-here", "nospecial123", "", None, "x" * 127 + "-1") * 2:
        assert zap_fields(reset(ann, code, new=new)) == (400, "invalid_request", ["newPassword"])
    zap_success(reset(ann, code))


def test_a_wrong_used_or_expired_code_and_an_unknown_identity_are_the_same_answer(clock, ann, new_code):
    used = new_code()
    refusals = [reset(ann, wrong_code(used)), reset(ann, used, identity="nobody")]
    zap_success(reset(ann, used))
    refusals.append(reset(ann, used))
    expired = new_code()
    clock.shift(timedelta(minutes=10))
    refusals += [reset(ann, expired), reset(ann, "none")]
    assert all(zap_fields(refusal) == INVALID for refusal in refusals)
    assert len({refusal.text for refusal in refusals}) == 1


@each_identity
def test_a_wrong_code_costs_the_same_for_an_unknown_identity(ann, new_code, known, unknown):
    bad = wrong_code(new_code())
    works = [work_of(lambda identity=identity: reset(ann, bad, identity=identity)) for identity in (known, unknown)]
    assert works[0] == works[1]


@pytest.mark.parametrize("who", [{"is_active": False}, {"deleted_at": "2026-03-01T12:00:00Z"}])
def test_a_code_is_worthless_once_its_user_is_disabled_or_deleted(ann, new_code, who):
    code = new_code()
    User.objects.filter(pk=ann.user_id).update(**who)
    assert zap_fields(reset(ann, code)) == INVALID
    assert User.objects.get(pk=ann.user_id).check_password(PASSWORD)


def test_a_code_is_worthless_once_the_email_that_it_was_mailed_to_is_not_the_users_any_more(ann, new_code):
    code = new_code()
    zap_success(ann.ask("PUT", f"/v1/users/{ann.user_id}", {"email": "new@example.org"}))
    verifying = issue_code(User.objects.get(pk=ann.user_id), purpose=Purpose.EMAIL)
    zap_success(ann.call("POST", "/v1/otp/verify", {"identity": "ann_lee", "otp": verifying}))
    assert zap_fields(reset(ann, code)) == INVALID
    # A change of the address directly in the database also makes the code useless.
    code = new_code()
    User.objects.filter(pk=ann.user_id).update(email="other@example.org")
    assert zap_fields(reset(ann, code)) == INVALID


def test_a_code_is_good_as_long_as_a_new_email_waits_to_be_verified_and_drops_it(ann, new_code):
    code = new_code()
    zap_success(ann.ask("PUT", f"/v1/users/{ann.user_id}", {"email": "new@example.org"}))
    zap_success(reset(ann, code))
    assert User.objects.values_list("email", "new_email", "email_verified").get(pk=ann.user_id) == (
        *("ann_lee@example.org", None, True),
    )


@pytest.mark.parametrize("field", ["identity", "otp", "newPassword"])
def test_a_reset_needs_identity_otp_and_new_password(ann, new_code, field):
    body = {"identity": "ann_lee", "otp": new_code(), "newPassword": NEW}
    del body[field]
    refused = ann.call("POST", "/v1/forgotPassword", body)
    assert zap_fields(refused) == (400, "invalid_request", [field])
    assert ann.log_in("ann_lee").status == 200


def test_a_code_is_stored_only_as_a_keyed_digest(ann, new_code, settings):
    code = new_code()
    with connection.cursor() as cursor:
        tables = connection.introspection.table_names(cursor)
        texts = [cursor.execute(f'SELECT t::text FROM "{table}" t').fetchall() for table in tables]  # noqa: S608
    stored = str(texts)
    assert OneTimeCode.objects.get().digest.hex() in stored
    for text in (code, code.replace(" ", "")):
        assert text not in stored
    code = code.replace(" ", "")
    plain = [text.encode() for text in (code, ann.user_id + code, f"{ann.user_id}\0{code}", f"{ann.user_id}:{code}")]
    for name in ("md5", "sha1", "sha256", "sha512"):
        assert not any(hashlib.new(name, text).hexdigest() in stored for text in plain)
    # With another key, the digest matches no code.
    kept, settings.SECRET_KEY = settings.SECRET_KEY, "another-secret-key"
    assert zap_fields(reset(ann, code)) == INVALID
    settings.SECRET_KEY = kept
    zap_success(reset(ann, code))


# --- what a reset ends ---------------------------------------------------------------------------


def test_a_reset_ends_all_of_the_users_sessions_in_both_dialects(ann, new_phone, new_code):
    tablet, buddy = new_phone(device_token="tablet"), BuddyPhone(InProcess(), device_token="push")
    for other in (tablet, buddy):
        other.log_in("ann_lee")
    stranger = new_phone(device_token="other").sign_up(new_name())
    zap_success(reset(stranger, new_code()))
    assert [each.me().status for each in (ann, tablet, buddy, stranger)] == [401, 401, 401, 200]
    assert ann.refresh().status == tablet.refresh().status == 401
    ended = Session.objects.exclude(ended_at=None).values_list("end_reason", "ended_by")
    assert list(ended) == [(EndReason.PASSWORD_CHANGED, ann.user_id)] * 3
    assert all_pushes() == ["other"]


def test_a_reset_verifies_the_email_that_the_code_was_mailed_to(ann, new_code):
    assert ann.me().json["data"]["emailVerified"] is False
    zap_success(reset(ann, new_code()))
    login = {"identity": "ann_lee", "password": NEW}
    assert zap_success(ann.call("POST", "/v1/login", login))["data"]["emailVerified"] is True
