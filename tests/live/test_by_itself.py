"""The background work of a real server: it ends timed-out sessions and sends mail."""

import json
import re
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from django.utils import timezone

from sessions.models import EndReason, Session
from tests.live.test_races import at_once
from tests.mail_files import body, forget, mails_in
from tests.phones import PASSWORD, Live, device_token
from tests.servers import running_server
from tests.waiting import wait_until
from users.models import User

pytestmark = pytest.mark.only("zap")
NEW_PASSWORD = "another-horse-2"


def test_a_server_that_starts_ends_what_has_timed_out_meanwhile(phone_kind, server):
    late = phone_kind(Live(server.base_url), device_token="late").sign_up()
    live = phone_kind(Live(server.base_url), device_token="live").sign_up()
    Session.objects.filter(user=late.user_id).update(expires_at=timezone.now() - timedelta(seconds=1))
    with running_server(WORKERS="1"):
        ended = wait_until(lambda: Session.objects.exclude(ended_at=None).first())
    assert (ended.user_id, ended.end_reason) == (late.user_id, EndReason.EXPIRED)
    assert device_token("late").user is None
    assert device_token("live").user_id == live.user_id


@pytest.fixture(scope="module")
def mails(tmp_path_factory):
    return tmp_path_factory.mktemp("mails")


@pytest.fixture(scope="module")
def _mailing_server(django_db_setup, django_db_blocker, mails):
    with django_db_blocker.unblock(), running_server(EMAIL_URL=f"filemail:///{mails}") as started:
        yield started


@pytest.fixture
def mailing_server(_mailing_server, mails, transactional_db):
    forget(mails)
    return _mailing_server


def sent(mails: Path, subject: str) -> list[str]:
    """Return the texts of the mails with that subject."""
    return [body(mail) for mail in mails_in(mails) if mail["Subject"] == subject]


def code_in(mails: Path, subject: str = "Your ZapAuth reset code") -> str:
    (text,) = wait_until(lambda: sent(mails, subject))
    assert "not even to our staff" in text.replace("\n", " ")
    return re.search(r"^ {4}([0-9a-f]{4} [0-9a-f]{4} [0-9a-f]{4})$", text, re.MULTILINE)[1]


def test_a_password_is_reset_by_the_code_that_was_mailed(phone_kind, mailing_server, mails):
    phone = phone_kind(Live(mailing_server.base_url)).sign_up()
    assert phone.call("POST", "/v1/otp/forgotPassword", {"identity": "nobody"}).text == (
        phone.call("POST", "/v1/otp/forgotPassword", {"identity": phone.username}).text
    )
    body = {"identity": phone.username, "otp": code_in(mails), "newPassword": NEW_PASSWORD}
    assert len(sent(mails, "Your ZapAuth reset code")) == 1
    assert phone.call("POST", "/v1/forgotPassword", body).json["data"] == "Password updated successfully"
    assert phone.me().status == phone.refresh().status == 401
    assert phone.call("POST", "/v1/login", {"identity": phone.username, "password": PASSWORD}).status == 401
    assert phone.call("POST", "/v1/login", {"identity": phone.username, "password": NEW_PASSWORD}).status == 200
    assert User.objects.get().email_verified


def test_an_email_is_verified_by_the_code_that_a_registration_mailed(phone_kind, mailing_server, mails):
    phone = phone_kind(Live(mailing_server.base_url)).sign_up()
    body = {"identity": phone.username, "otp": code_in(mails, "Verify your email for ZapAuth")}
    assert phone.call("POST", "/v1/otp/verify", body).json["data"] == "OTP verified"
    assert phone.me().json["data"]["emailVerified"] is True


def test_of_resets_at_once_with_one_code_one_wins(phone_kind, mailing_server, mails):
    phone = phone_kind(Live(mailing_server.base_url)).sign_up()
    phone.call("POST", "/v1/otp/forgotPassword", {"identity": phone.username})
    code = code_in(mails)

    def reset(number):
        body = {"identity": phone.username, "otp": code, "newPassword": f"another-horse-{number}"}
        return lambda: phone.send(
            "POST", "/v1/forgotPassword", headers={"Content-Type": "application/json"}, content=json.dumps(body)
        )

    answers = at_once(*[reset(number) for number in range(5)])
    assert sorted(answer.status for answer in answers) == [200] + [422] * 4
    won = [answer.status for answer in answers].index(200)
    body = {"identity": phone.username, "password": f"another-horse-{won}"}
    assert phone.call("POST", "/v1/login", body).status == 200


def test_at_most_twenty_codes_are_tried_however_many_come_at_once(phone_kind, mailing_server, mails):
    phone = phone_kind(Live(mailing_server.base_url)).sign_up()
    phone.call("POST", "/v1/otp/forgotPassword", {"identity": phone.username})
    code = code_in(mails)
    wrong = [f"{number:012x}" for number in range(30)]

    def try_code(otp):
        body = {"identity": phone.username, "otp": otp, "newPassword": NEW_PASSWORD}
        headers = {"Content-Type": "application/json"}
        return phone.send("POST", "/v1/forgotPassword", headers=headers, content=json.dumps(body)).status

    assert sorted(at_once(*[partial(try_code, otp) for otp in wrong])) == [422] * 20 + [429] * 10
    assert try_code(code) == 429
