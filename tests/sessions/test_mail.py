"""What users are told by mail of their logins."""

import logging
from datetime import timedelta

import pytest
import time_machine

from sessions import background
from users.models import User

AGENT = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) TheApp/7"


@pytest.fixture
def ann(new_phone, settings):
    """Ann, who signed up on the phone that she has; notices are on."""
    phone = new_phone(device_token="phone").sign_up()
    User.objects.update(email="ann@example.org", first_name="Ann")
    settings.NEW_DEVICE_MAIL = True
    return phone


def another(phone, new_phone, **options):
    """Another installation of the same app."""
    if phone.dialect == "buddy":
        options |= {"app_id": phone.app_id, "app_key": phone.app_key}
    return new_phone(**options)


@pytest.fixture
def log_in(django_capture_on_commit_callbacks):
    """Log in on that phone, to the end of all that a login does."""

    def log_in(phone, username, **headers):
        send = phone.send
        phone.send = lambda *args, headers=None, **rest: send(*args, headers=(headers or {}) | extra, **rest)
        extra = {name.replace("_", "-"): value for name, value in headers.items()}
        with django_capture_on_commit_callbacks(execute=True):
            answer = phone.log_in(username)
        phone.send = send
        assert answer.status == 200, answer

    return log_in


def test_a_login_on_a_new_device_is_told_by_mail(ann, new_phone, log_in, mailoutbox):
    with time_machine.travel("2026-03-01T12:34:56Z", tick=False):
        log_in(another(ann, new_phone, device_token="thief"), ann.username, User_Agent=AGENT)
    (mail,) = mailoutbox
    assert mail.to == ["ann@example.org"]
    assert mail.subject == "New login to your ZapAuth account"
    platform = {"zap": "iOS", "buddy": "Android"}[ann.dialect]
    for fact in ("Hello Ann", "2026-03-01 12:34 UTC", platform, "127.0.0.1", AGENT):
        assert fact in mail.body


def test_a_login_on_a_known_device_is_no_news(ann, new_phone, log_in, mailoutbox):
    ann.log_out()
    log_in(ann, ann.username, User_Agent=AGENT)
    assert mailoutbox == []


def test_the_same_program_at_the_same_address_is_no_news_and_elsewhere_it_is(
    ann, new_phone, log_in, mailoutbox, settings
):
    settings.TRUSTED_PROXIES = 1
    for address in ("192.0.2.1", "192.0.2.1", "192.0.2.2"):
        log_in(another(ann, new_phone), ann.username, User_Agent=AGENT, X_Forwarded_For=address)
    assert [mail.body.partition("Address  ")[2].split()[0] for mail in mailoutbox] == ["192.0.2.1", "192.0.2.2"]


def test_the_first_login_ever_is_no_news(ann, new_phone, log_in, mailoutbox):
    User.objects.create_user("ben", "correct-horse-1", email="ben@example.org")
    log_in(another(ann, new_phone, device_token="bens"), "ben")
    assert mailoutbox == []


def test_nobody_is_told_without_an_email_or_with_the_setting_off(ann, new_phone, log_in, mailoutbox, settings):
    User.objects.update(email=None)
    log_in(another(ann, new_phone, device_token="a"), ann.username, User_Agent=AGENT)
    User.objects.update(email="ann@example.org")
    settings.NEW_DEVICE_MAIL = False
    log_in(another(ann, new_phone, device_token="b"), ann.username, User_Agent="another")
    assert mailoutbox == []


def test_a_mail_that_cannot_be_sent_is_logged_and_the_login_stands(ann, new_phone, log_in, settings, caplog):
    settings.EMAIL_BACKEND = "no.such.Backend"
    with caplog.at_level(logging.ERROR):
        log_in(another(ann, new_phone, device_token="thief"), ann.username, User_Agent=AGENT)
    assert "mail_new_device failed" in caplog.text


def test_when_too_much_waits_more_is_left_out_and_logged(monkeypatch, caplog):
    waiting = []
    monkeypatch.setattr(background, "_start", waiting.append)
    for _ in range(background.MOST_WAITING + 1):
        background.after_answer(print)
    assert len(waiting) == background.MOST_WAITING
    assert "print is left out" in caplog.text
    for run in waiting:
        run()
    background.after_answer(print)
    assert len(waiting) == background.MOST_WAITING + 1
    waiting[-1]()


def test_sessions_know_their_platform(new_phone, db):
    phone = new_phone()
    headers = {"User-Agent": AGENT}
    send = phone.send
    phone.send = lambda *args, **rest: send(*args, **rest | {"headers": (rest.get("headers") or {}) | headers})
    phone.sign_up()
    session = User.objects.get().login_sessions.get()
    assert session.platform == {"zap": "iOS", "buddy": "Android"}[phone.dialect]
    assert session.expires_at - session.created_at == timedelta(days=30)
