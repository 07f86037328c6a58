"""The suite's watch for secrets in the log: it must find each kind of them, and fail the test that logged one."""

import logging
import sys

import pytest
from django.core import mail

from tests.hashes import CheapArgon2
from tests.log_secrets import WATCH, check_output
from tests.phones import PASSWORD, SEED_DEVICE_TOKEN, BuddyPhone, InProcess, ZapPhone, reset_code_in
from zapauth.logs import JsonFormatter, TextFormatter

LOGGER = logging.getLogger("zapauth.test_log_secrets")
KINDS = {
    "a JWT": "eyJhbGciOiJFUzI1NiJ9.eyJzaWQiOiJ4In0.c2ln",
    "an email": "ann.lee+1@mail.example.org",
    "a phone number": "+4915112345678",
    "a password's hash": "argon2$argon2id$v=19$m=64,t=1,p=1$c2FsdA$aGFzaA",
    "a mailed code": "0a1b 2c3d 4e5f",
    "a signed cookie": f"eyJzaWQ:1vABCD:{'x' * 43}",
    "a private key": "-----BEGIN EC PRIVATE KEY-----",
    "a secret of a second factor": "otpauth://totp/ZapAuth:ann?secret=JBSWY3DPEHPK3PXP",
    "a recovery code": "4f6k-9m2x-0000-abcd-hjkm-wxyz",
}


LINK = f"/account/not-me/{'x' * 43}"  # our formats mask it, so it only reaches the log in another way


def caught():
    """Return what the watch says about this test's lines so far. It forgets them."""
    with pytest.raises(AssertionError) as failed:
        WATCH.check()
    return str(failed.value)


def test_every_test_is_watched(request):
    assert "_no_secret_in_the_log" in request.fixturenames
    assert WATCH in logging.getLogger().handlers


@pytest.mark.parametrize(("kind", "text"), KINDS.items())
def test_each_kind_of_secret_is_found_in_a_message(kind, text):
    LOGGER.error("it is <%s>, sorry", text)
    assert kind in caught()


def test_a_link_from_a_mail_is_masked_in_messages_and_exceptions():
    try:
        raise ValueError(f"no page {LINK}/?x")
    except ValueError:
        for style in (TextFormatter(), JsonFormatter()):
            record = LOGGER.makeRecord("x", logging.ERROR, "x", 1, "GET %s", (f"{LINK}/",), sys.exc_info())
            line = style.format(record)
            assert line.count("/account/not-me/***/") == 2
            assert "xxx" not in line


@pytest.mark.parametrize(("kind", "text"), [*KINDS.items(), ("a link from a mail", LINK)])
def test_each_kind_of_secret_is_found_in_a_servers_output(kind, text):
    with pytest.raises(AssertionError, match=kind):
        check_output(f"a line\nit is {text}, sorry\n")


def test_a_secret_is_found_in_an_exception_and_in_a_field():
    try:
        raise ValueError(f"no such user: {KINDS['an email']}")
    except ValueError:
        LOGGER.exception("it failed")
    assert "an email" in caught()
    LOGGER.info("an entry", extra={"user": KINDS["a JWT"]})
    assert "a JWT" in caught()


def test_a_line_that_only_a_lower_level_shows_is_found():
    LOGGER.debug(KINDS["an email"])
    assert "an email" in caught()


def test_djangos_own_lines_are_watched():
    logging.getLogger("django.request").error("Not Found: %s", f"/v1/x?token={KINDS['a JWT']}")
    assert "a JWT" in caught()


def test_a_password_is_found_whatever_it_is_and_also_a_wrong_one():
    hasher = CheapArgon2()
    encoded = hasher.encode("a-password-of-one-test", "somesaltsomesalt")
    hasher.verify("almost-the-password", encoded)
    LOGGER.error("tried almost-the-password")
    assert "almost-the-password" in caught()
    hasher.encode("a-password-of-one-test", "somesaltsomesalt")
    LOGGER.error("set a-password-of-one-test")
    assert "a-password-of-one-test" in caught()


def test_what_a_phone_sent_as_a_secret_is_found(db):
    phone = BuddyPhone(InProcess(), device_token=SEED_DEVICE_TOKEN)
    for secret in (phone.app_key, SEED_DEVICE_TOKEN):
        phone.register_device()
        LOGGER.error("got %s", secret)
        assert repr(secret[:200]) in caught()
    phone.sign_up()
    LOGGER.error("log-in with %s", PASSWORD)
    assert repr(PASSWORD) in caught()


def test_a_mailed_code_is_found_as_it_is_written_and_as_it_is_sent(db, commits):
    phone = ZapPhone(InProcess()).sign_up()
    phone.ask("POST", "/v1/otp", {"email": f"{phone.username}@example.org"})
    phone.call("POST", "/v1/otp/forgotPassword", {"identity": phone.username})
    codes = [reset_code_in(sent) for sent in mail.outbox]
    assert codes
    for code in (codes[0], codes[0].replace(" ", "")):
        LOGGER.error("mailed %s", code)
        assert repr(code) in caught()


def test_what_is_logged_every_day_is_no_secret(db):
    phone = ZapPhone(InProcess(), device_token=SEED_DEVICE_TOKEN).sign_up()
    assert phone.log_out().status == 200
    LOGGER.error(
        "user %s from 203.0.113.9 at 2026-11-22T03:02:01.123Z, request 0b5e9c1e-8b7a-4d55-9f10-0a2b3c4d5e6f", "ann"
    )
    WATCH.check()


def test_a_check_forgets_what_came_before_it():
    LOGGER.error(KINDS["an email"])
    caught()
    WATCH.check()
