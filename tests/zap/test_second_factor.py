"""ZAP's second factor: `enable2fa`, `verify2FA`, `disable2fa`, and `twoFaToken` at the log-in."""

import itertools
import struct
import zlib
from base64 import b64decode
from datetime import timedelta

import pytest

from sessions.models import EndReason, Session
from tests.bad_input import zap_error, zap_fields, zap_success
from tests.phones import PASSWORD, BuddyPhone, InProcess, ZapPhone, promote, reset_code_in, wrong_code
from tests.second_factor import NO_RECOVERY_CODE, Authenticator, give_factor, log_in_with
from users.models import RecoveryCode, SecondFactor, SecurityEvent, User
from users.second_factor.enabling import has_factor

pytestmark = [pytest.mark.only("zap"), pytest.mark.usefixtures("commits")]
STEP = timedelta(seconds=30)
REQUIRED, INVALID = (401, "two_factor_required"), (401, "two_factor_invalid")
WRONG_PASSWORD, TOO_MANY = (401, "invalid_credentials"), (429, "too_many_attempts")


@pytest.fixture
def ann(clock, new_phone, mailoutbox):
    """Ann's phone, without a second factor."""
    phone = new_phone(device_token="phone").sign_up()
    mailoutbox.clear()
    return phone


@pytest.fixture
def secured(ann):
    """Ann's phone, her authenticator app and her recovery codes."""
    return ann, *give_factor(ann.user_id)


def post(phone, action, body=None, *, user_id=None):
    return phone.ask("POST", f"/v1/users/{user_id or phone.user_id}/{action}", body)


def two_fa(phone):
    return zap_success(phone.me())["twoFA"]


def user_of(phone):
    return User.objects.get(pk=phone.user_id)


def events(phone):
    return list(SecurityEvent.objects.filter(user_id=phone.user_id).order_by("pk").values_list("event", flat=True))


# --- set-up -------------------------------------------------------------------------------------


def test_a_user_sets_up_a_factor_and_then_logs_in_with_a_code(ann, clock):
    assert two_fa(ann) == {"secret": "", "enabled": False}
    made = zap_success(post(ann, "enable2fa"))
    assert made.keys() == {"qrCodeUrl", "base32Secret", "message"}
    assert made["message"] == "2FA Successfully enabled"
    app = Authenticator(made["base32Secret"])
    assert log_in_with(ann, PASSWORD).status == 200
    verified = post(ann, "verify2FA", {"token": app.code()})
    assert zap_success(verified) == "Token verified successfully"
    assert verified.json.keys() == {"success", "data", "recoveryCodes"}
    assert len(set(verified.json["recoveryCodes"])) == 10
    assert two_fa(ann) == {"secret": "", "enabled": True}
    assert zap_error(log_in_with(ann, PASSWORD)) == REQUIRED
    assert zap_error(log_in_with(ann, PASSWORD, app.code())) == INVALID
    clock.shift(STEP)
    assert log_in_with(ann, PASSWORD, app.code()).status == 200


def test_the_qr_code_is_a_png_in_a_data_url(ann):
    kind, _, data = zap_success(post(ann, "enable2fa"))["qrCodeUrl"].partition(",")
    assert kind == "data:image/png;base64"
    png = b64decode(data, validate=True)
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", png[16:24])
    assert width == height > 150
    assert zlib.crc32(png[-8:-4]) == struct.unpack(">I", png[-4:])[0]  # the last chunk, IEND


def test_a_user_with_the_longest_name_gets_a_qr_code(ann, settings):
    settings.SERVICE_NAME = "é" * 200
    User.objects.filter(pk=ann.user_id).update(username="😀" * 150)
    assert zap_success(post(ann, "enable2fa"))["qrCodeUrl"].startswith("data:image/png;base64,")


def test_a_secret_that_counts_is_neither_shown_nor_replaced(secured):
    ann, app, _ = secured
    for action, body in (("enable2fa", None), ("verify2FA", {"token": app.code()})):
        assert zap_error(post(ann, action, body)) == (422, "two_factor_enabled")
    assert log_in_with(ann, PASSWORD, app.code()).status == 200


def test_a_wrong_code_is_a_422_that_names_it_and_switches_nothing_on(ann):
    assert zap_fields(post(ann, "verify2FA", {"token": "123456"})) == (422, "two_factor_invalid", ["token"])
    app = Authenticator(zap_success(post(ann, "enable2fa"))["base32Secret"])
    assert zap_fields(post(ann, "verify2FA", {"token": app.wrong_code()})) == (422, "two_factor_invalid", ["token"])
    assert not two_fa(ann)["enabled"]
    assert log_in_with(ann, PASSWORD).status == 200


def test_a_code_may_be_sent_as_a_number(ann, clock):
    # Not the next code of the same secret: the password would not be recent any more.
    apps = (Authenticator(zap_success(post(ann, "enable2fa"))["base32Secret"]) for _ in itertools.count())
    app = next(app for app in apps if app.code().startswith("0"))
    assert post(ann, "verify2FA", {"token": int(app.code())}).status == 200
    clock.shift(STEP)
    assert log_in_with(ann, PASSWORD, int(app.code())).status == 200


def test_wrong_codes_at_the_set_up_count_as_failed_log_ins(ann, settings):
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"login_known": (3, 900)}
    app = Authenticator(zap_success(post(ann, "enable2fa"))["base32Secret"])
    for _ in range(3):
        assert zap_error(post(ann, "verify2FA", {"token": app.wrong_code()})) == (422, "two_factor_invalid")
    assert zap_error(post(ann, "verify2FA", {"token": app.code()})) == TOO_MANY


@pytest.mark.parametrize("action", ["enable2fa", "verify2FA", "disable2fa"])
def test_the_routes_are_for_ones_own_id_only_also_for_staff(secured, new_phone, action):
    ann, app, _ = secured
    boss = promote(new_phone().sign_up(), "users.change_user")
    User.objects.filter(pk=boss.user_id).update(is_superuser=True)
    body = {"token": app.code(), "password": PASSWORD}
    for user_id in (ann.user_id, "0" * 24, "x"):
        assert zap_error(post(boss, action, body, user_id=user_id)) == (403, "permission_denied")
    assert has_factor(user_of(ann))


@pytest.mark.parametrize("action", ["enable2fa", "verify2FA", "disable2fa"])
def test_the_routes_need_a_live_token(secured, action):
    ann, app, _ = secured
    ann.log_out()
    body = {"token": app.code(), "password": PASSWORD}
    assert zap_error(post(ann, action, body)) == (401, "session_ended")


def test_a_stolen_token_makes_no_secret_after_the_window(ann, clock, settings):
    clock.shift(settings.REAUTHENTICATION_WINDOW + timedelta(seconds=1))
    assert zap_error(post(ann, "enable2fa")) == (403, "reauthentication_required")
    assert zap_fields(post(ann, "enable2fa", {"password": "wrong-horse-1"})) == (422, "wrong_password", ["password"])
    assert zap_success(post(ann, "enable2fa", {"password": PASSWORD}))["base32Secret"]


# --- log-in -------------------------------------------------------------------------------------


def test_a_code_is_asked_for_only_after_the_right_password(secured):
    ann, app, codes = secured
    for code in (None, "", app.code(), app.wrong_code(), codes[0], "x"):
        assert zap_error(log_in_with(ann, "wrong-horse-1", code)) == WRONG_PASSWORD
    # Neither code was used up.
    assert log_in_with(ann, PASSWORD, app.code()).status == 200
    assert log_in_with(ann, PASSWORD, codes[0]).status == 200


@pytest.mark.parametrize("code", [None, ""])
def test_a_log_in_without_a_code_says_that_it_needs_one(secured, code):
    reply = log_in_with(secured[0], PASSWORD, code)
    assert zap_error(reply) == REQUIRED
    assert reply.headers["www-authenticate"] == 'Bearer realm="zapauth"'
    body = {"identity": secured[0].username, "password": PASSWORD, "twoFaToken": None}
    assert zap_error(secured[0].call("POST", "/v1/login", body)) == REQUIRED


@pytest.mark.parametrize("code", ["x", "12345", "1234567", "\uff11\uff12\uff13\uff14\uff15\uff16", NO_RECOVERY_CODE])
def test_a_wrong_code_opens_no_session(secured, code):
    before = Session.objects.count()
    assert zap_error(log_in_with(secured[0], PASSWORD, code)) == INVALID
    assert zap_error(log_in_with(secured[0], PASSWORD, secured[1].wrong_code())) == INVALID
    assert Session.objects.count() == before


def test_a_code_lets_in_once(secured, clock):
    ann, app, _ = secured
    assert log_in_with(ann, PASSWORD, app.code()).status == 200
    assert zap_error(log_in_with(ann, PASSWORD, app.code())) == INVALID
    clock.shift(STEP)
    assert log_in_with(ann, PASSWORD, app.code()).status == 200


def test_a_user_who_lost_the_phone_logs_in_with_each_recovery_code_once(secured, mailoutbox):
    ann, _, codes = secured
    mailoutbox.clear()
    assert log_in_with(ann, PASSWORD, codes[0].upper().replace("-", " ")).status == 200
    assert zap_error(log_in_with(ann, PASSWORD, codes[0])) == INVALID
    assert log_in_with(ann, PASSWORD, codes[1]).status == 200
    mails = [mail for mail in mailoutbox if "A recovery code was used" in mail.body]
    assert [mail.to for mail in mails] == [[f"{ann.username}@example.org"]] * 2
    assert not [mail for mail in mails if codes[0] in mail.body]
    used = SecurityEvent.objects.filter(user_id=ann.user_id, event="recovery_code_used").order_by("pk")
    assert [entry.details for entry in used] == [{"left": 9}, {"left": 8}]


def test_a_code_of_a_user_without_a_factor_is_ignored(ann):
    assert log_in_with(ann, PASSWORD, "123456").status == 200


def test_a_disabled_user_is_told_so_and_keeps_their_code(secured):
    ann, app, _ = secured
    User.objects.filter(pk=ann.user_id).update(is_active=False)
    assert zap_error(log_in_with(ann, PASSWORD, app.code())) == (403, "account_disabled")
    User.objects.filter(pk=ann.user_id).update(is_active=True)
    assert log_in_with(ann, PASSWORD, app.code()).status == 200


def test_nobody_gets_in_by_password_alone_if_the_key_of_the_secret_is_lost(secured, settings, clock):
    ann, app, codes = secured
    settings.SECRET_KEY = "another key"
    assert zap_error(log_in_with(ann, PASSWORD)) == REQUIRED
    assert zap_error(log_in_with(ann, PASSWORD, app.code())) == INVALID
    assert log_in_with(ann, PASSWORD, codes[0]).status == 200


# --- throttling ---------------------------------------------------------------------------------


@pytest.fixture(params=["elsewhere", "in Ann's network"])
def thief(secured, settings, request):
    """A phone whose owner knows Ann's password. An identity has five attempts there."""
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"login": (5, 900), "login_known": (5, 900)}
    settings.TRUSTED_PROXIES = 1
    send, there = InProcess(), {"X-Forwarded-For": "203.0.113.9" if request.param == "elsewhere" else "127.0.0.1"}
    return ZapPhone(lambda *args, headers=None, **rest: send(*args, headers=headers | there, **rest))


def guess(phone, username, app, *, password=PASSWORD, code=True):
    phone.username = username
    return zap_error(log_in_with(phone, password, app.wrong_code() if code else None))


def test_wrong_codes_lock_out_like_wrong_passwords(secured, thief):
    ann, app, codes = secured
    assert [guess(thief, ann.username, app) for _ in range(6)] == [INVALID] * 5 + [TOO_MANY]
    for code in (None, app.code(), codes[0]):
        thief.username = ann.username
        assert zap_error(log_in_with(thief, PASSWORD, code)) == TOO_MANY


def test_log_ins_without_a_code_between_the_guesses_do_not_start_the_count_anew(secured, thief):
    ann, app, _ = secured
    seen = []
    for _ in range(6):
        seen += [guess(thief, ann.username, app, code=False), guess(thief, ann.username, app)]
    assert seen == [REQUIRED, INVALID] * 5 + [TOO_MANY] * 2


def test_log_ins_without_a_code_do_not_count_by_themselves(secured, thief):
    ann, app, _ = secured
    assert [guess(thief, ann.username, app, code=False) for _ in range(20)] == [REQUIRED] * 20


def test_wrong_passwords_and_wrong_codes_share_the_count(secured, thief):
    ann, app, _ = secured
    for _ in range(3):
        assert guess(thief, ann.username, app, password="wrong-horse-1") == WRONG_PASSWORD
    assert guess(thief, ann.username, app, code=False) == REQUIRED
    assert [guess(thief, ann.username, app) for _ in range(3)] == [INVALID] * 2 + [TOO_MANY]


def test_a_thief_of_the_password_gets_twenty_guesses_a_day_and_recovery_codes_still_work(secured, thief, clock):
    ann, app, codes = secured
    seen = []
    for _ in range(6):
        seen += [guess(thief, ann.username, app) for _ in range(4)]
        clock.shift(timedelta(minutes=16))  # the allowances of log-ins start anew
    assert seen == [INVALID] * 20 + [TOO_MANY] * 4
    assert zap_error(log_in_with(thief, PASSWORD, app.code())) == TOO_MANY
    assert int(thief.last.headers["retry-after"]) > 20 * 3600
    assert log_in_with(thief, PASSWORD, codes[0]).status == 200
    body = {"identity": ann.username, "password": PASSWORD, "deviceToken": "phone", "twoFaToken": app.code()}
    assert ann.call("POST", "/v1/login", body).status == 200
    clock.shift(timedelta(days=1))
    assert log_in_with(thief, PASSWORD, app.code()).status == 200


def test_a_right_code_starts_the_count_anew(secured, thief, clock):
    ann, app, _ = secured
    for _ in range(2):
        assert [guess(thief, ann.username, app) for _ in range(4)] == [INVALID] * 4
        assert log_in_with(thief, PASSWORD, app.code()).status == 200
        clock.shift(STEP)


def test_a_thief_who_guesses_codes_does_not_lock_out_the_users_own_phone(secured, thief):
    ann, app, _ = secured
    assert [guess(thief, ann.username, app) for _ in range(6)] == [INVALID] * 5 + [TOO_MANY]
    body = {"identity": ann.username, "password": PASSWORD, "deviceToken": "phone", "twoFaToken": app.code()}
    assert ann.call("POST", "/v1/login", body).status == 200


# --- passwords ----------------------------------------------------------------------------------


def test_a_reset_password_neither_switches_the_factor_off_nor_lets_in_without_a_code(secured, mailoutbox, clock):
    ann, app, _ = secured
    mailoutbox.clear()
    ann.call("POST", "/v1/otp/forgotPassword", {"identity": ann.username})
    reset = {"identity": ann.username, "otp": reset_code_in(mailoutbox[-1]), "newPassword": "another-pass-2"}
    zap_success(ann.call("POST", "/v1/forgotPassword", reset))
    assert ann.me().status == 401
    assert zap_error(log_in_with(ann, "another-pass-2")) == REQUIRED
    assert log_in_with(ann, "another-pass-2", app.code()).status == 200


def test_a_reset_password_does_not_start_the_count_of_wrong_codes_anew(secured, thief, mailoutbox):
    ann, app, _ = secured
    assert [guess(thief, ann.username, app) for _ in range(5)] == [INVALID] * 5
    ann.call("POST", "/v1/otp/forgotPassword", {"identity": ann.username})
    reset = {"identity": ann.username, "otp": reset_code_in(mailoutbox[-1]), "newPassword": "another-pass-2"}
    zap_success(thief.call("POST", "/v1/forgotPassword", reset))
    assert guess(thief, ann.username, app, password="another-pass-2") == TOO_MANY


def test_a_changed_password_keeps_the_factor(secured):
    ann, app, _ = secured
    email = f"{ann.username}@example.org"
    body = {"userId": ann.user_id, "email": email, "oldPassword": PASSWORD, "newPassword": "another-pass-2"}
    zap_success(ann.ask("POST", "/v1/changePassword", body))
    assert zap_error(log_in_with(ann, "another-pass-2")) == REQUIRED
    assert log_in_with(ann, "another-pass-2", app.code()).status == 200


def test_a_deleted_users_secret_and_recovery_codes_are_forgotten(secured):
    ann, _, _ = secured
    zap_success(ann.ask("DELETE", f"/v1/users/{ann.user_id}"))
    assert not SecondFactor.objects.exists()
    assert not RecoveryCode.objects.exists()
    assert "factor_disabled" not in events(ann)


# --- switching it off, mails, the record --------------------------------------------------------


def test_the_password_switches_the_factor_off(secured):
    ann, _, codes = secured
    assert zap_success(post(ann, "disable2fa", {"password": PASSWORD})) == "2FA disabled Successfully"
    assert not two_fa(ann)["enabled"]
    assert log_in_with(ann, PASSWORD).status == 200
    new_app, _ = give_factor(ann.user_id)
    assert zap_error(log_in_with(ann, PASSWORD, codes[0])) == INVALID
    assert log_in_with(ann, PASSWORD, new_app.code()).status == 200


def test_a_wrong_password_switches_nothing_off_and_counts(secured, settings):
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"login_known": (3, 900)}
    ann, _, _ = secured
    for _ in range(3):
        reply = post(ann, "disable2fa", {"password": "wrong-horse-1"})
        assert zap_fields(reply) == (422, "wrong_password", ["password"])
    assert zap_error(post(ann, "disable2fa", {"password": PASSWORD})) == TOO_MANY
    assert two_fa(ann)["enabled"]


def test_switching_off_what_is_off_changes_and_tells_nothing(ann, mailoutbox):
    assert zap_success(post(ann, "disable2fa", {"password": PASSWORD})) == "2FA disabled Successfully"
    assert not mailoutbox
    assert "factor_disabled" not in events(ann)


def test_the_user_is_told_by_mail_and_the_record_has_both(ann, mailoutbox):
    app = Authenticator(zap_success(post(ann, "enable2fa"))["base32Secret"])
    assert not mailoutbox
    post(ann, "verify2FA", {"token": app.code()})
    post(ann, "disable2fa", {"password": PASSWORD})
    on, off = mailoutbox
    assert on.to == off.to == [f"{ann.username}@example.org"]
    assert "A second factor was switched on." in on.body
    assert "without its code you can't log in" in " ".join(on.body.split())
    assert "The second factor was switched off." in off.body
    assert "The password stops working, and we mail you a\ncode for a new one." in off.body
    entries = SecurityEvent.objects.filter(user_id=ann.user_id, event__startswith="factor_").order_by("pk")
    assert [entry.event for entry in entries] == ["factor_enabled", "factor_disabled"]
    for entry in entries:
        assert (entry.actor_id, entry.details) == (ann.user_id, {"others_ended": False})
        assert Session.objects.get(pk=entry.session_id).user_id == ann.user_id


@pytest.mark.parametrize("action", ["verify2FA", "disable2fa"])
def test_other_sessions_end_with_the_change_if_the_user_wants_that(ann, new_phone, action):
    tablet, buddy, stranger = new_phone(), BuddyPhone(InProcess()), new_phone().sign_up()
    for other in (tablet, buddy):
        other.log_in(ann.username)
    app = Authenticator(zap_success(post(ann, "enable2fa"))["base32Secret"])
    if action == "disable2fa":
        post(ann, "verify2FA", {"token": app.code(), "endOthers": False})
        assert [each.me().status for each in (ann, tablet, buddy)] == [200] * 3
    assert post(ann, action, {"token": app.code(), "password": PASSWORD, "endOthers": True}).status == 200
    assert [each.me().status for each in (ann, tablet, buddy, stranger)] == [200, 401, 401, 200]
    ended = Session.objects.exclude(ended_at=None).values_list("end_reason", "ended_by")
    assert set(ended) == {(EndReason.LOGOUT, ann.user_id)}


def test_wrong_codes_are_on_record(secured, new_phone):
    ann, app, _ = secured
    log_in_with(ann, PASSWORD)
    assert "factor_refused" not in events(ann)
    log_in_with(ann, PASSWORD, app.wrong_code())
    assert events(ann)[-1] == "factor_refused"
    other = new_phone().sign_up()
    post(other, "verify2FA", {"token": "123456"})
    assert events(other)[-1] == "factor_refused"


def test_a_wrong_code_ends_no_other_session(ann, new_phone):
    tablet = new_phone()
    tablet.log_in(ann.username)
    app = Authenticator(zap_success(post(ann, "enable2fa"))["base32Secret"])
    post(ann, "verify2FA", {"token": app.wrong_code(), "endOthers": True})
    assert tablet.me().status == 200


def test_no_code_of_another_user_lets_in(secured, new_phone):
    other, (app, codes) = new_phone().sign_up(), give_factor(new_phone().sign_up().user_id)
    give_factor(other.user_id)
    for code in (app.code(), codes[0], wrong_code(codes[0])):
        assert zap_error(log_in_with(other, PASSWORD, code)) == INVALID
