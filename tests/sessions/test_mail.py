"""The mails to users about their log-ins."""

import itertools
import logging
import re
from datetime import timedelta

import pytest
import time_machine

from sessions.accounts import change_in_admin
from sessions.mail import AccountChange, mail_account_changed
from tests.phones import PASSWORD, ZapPhone, reset_code_in
from users.models import User
from users.origin import Origin

AGENT = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) TheApp/7"


@pytest.fixture
def ann(new_phone, settings):
    """Ann, who signed up on her phone. Mails about new devices are on."""
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
    """Log in on that phone and run the work that follows a log-in."""

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
    assert mail.subject == "New log-in to your ZapAuth account"
    platform = {"zap": "iOS", "buddy": "Android"}[ann.dialect]
    for fact in ("Hello,", "2026-03-01 12:34 UTC", f"System   {platform}", "127.0.0.1"):
        assert fact in mail.body
    assert "TheApp" not in mail.body


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
    assert "the job send_news" in caplog.text
    assert "failed and is tried again" in caplog.text


def test_sessions_know_their_platform(new_phone, db):
    phone = new_phone()
    headers = {"User-Agent": AGENT}
    send = phone.send
    phone.send = lambda *args, **rest: send(*args, **rest | {"headers": (rest.get("headers") or {}) | headers})
    phone.sign_up()
    session = User.objects.get().login_sessions.get()
    assert session.platform == {"zap": "iOS", "buddy": "Android"}[phone.dialect]
    assert session.expires_at - session.created_at == timedelta(days=30)


# --- what mails say --------------------------------------------------------------------------------

LINK = "http://evil.example/x"


def html_of(mail):
    ((html, kind),) = mail.alternatives
    assert kind == "text/html"
    return html


@pytest.fixture
def eve(new_phone, settings, commits):
    """Eve, who puts a link into every field that a client may fill, including the user agent."""
    settings.NEW_DEVICE_MAIL = True
    settings.PUBLIC_URL = "https://auth.example.org"
    phone = new_phone()
    send, numbers = phone.send, itertools.count()

    def send_with_links(*args, headers=None, **rest):
        of_phone = {"User-Agent": f"{LINK} Android {next(numbers)}", "X-Request-ID": "evil"}
        return send(*args, headers=(headers or {}) | of_phone, **rest)

    phone.send = send_with_links
    return phone


def sign_up_with_links(eve):
    names = {"firstName": LINK, "lastName": LINK, "name": LINK, "tag": LINK}
    person = {"username": "eve_evil", "email": "victim@example.org", "password": PASSWORD}
    if eve.dialect == "zap":
        assert eve.call("POST", "/v1/users", person | names).status == 201
        eve.log_in("eve_evil")
        return
    register_with_links(eve, "one")
    person |= {"username": f"{LINK} evil"}
    made = eve.call("POST", "/users", person | names, token=eve.app_token).json["result"]
    eve.username, eve.access_token, eve.user_id = person["username"], made["accessToken"], made["id"]


def register_with_links(eve, unique_id):
    device = {"platform": LINK, "model": LINK, "osVersion": LINK, "appVersion": LINK, "uniqueId": unique_id}
    made = eve.call("POST", "/devices", {"appId": eve.app_id, "appKey": eve.app_key} | device)
    eve.app_token = made.json["result"]["accessToken"]


def ask_for_everything(eve, mailoutbox):
    """Cause a mail of each kind."""
    zap = ZapPhone(eve.send)
    if eve.dialect == "buddy":
        register_with_links(eve, "two")
    else:
        eve.device_token = LINK
    assert eve.log_in(eve.username).status == 200
    method, path = ("PUT", f"/v1/users/{eve.user_id}") if eve.dialect == "zap" else ("PATCH", "/users/me")
    new_name = "evil_2" if eve.dialect == "zap" else f"{LINK} 2"
    for change in ({"username": new_name}, {"email": "evil@example.com"}):
        assert eve.ask(method, path, change).status == 200
    eve.username = new_name
    assert zap.call("PUT", f"/v1/users/updatePhone/{eve.user_id}", {"phoneNumber": "+49666"}).status == 401
    assert zap.log_in(eve.username).status == 200
    assert zap.ask("PUT", f"/v1/users/updatePhone/{zap.user_id}", {"phoneNumber": "+49666"}).status == 200
    zap.call("POST", "/v1/otp/forgotPassword", {"identity": eve.username})
    reset = {"identity": eve.username, "otp": reset_code_in(mailoutbox[-1]), "newPassword": PASSWORD}
    assert zap.call("POST", "/v1/forgotPassword", reset).status == 200
    zap.log_in(eve.username)
    assert zap.ask("PUT", f"/v1/users/{zap.user_id}", {"email": "evil@example.com"}).status == 200
    verify = {"identity": eve.username, "otp": reset_code_in(mailoutbox[-2])}
    assert zap.call("POST", "/v1/otp/verify", verify).status == 200
    assert zap.ask("DELETE", f"/v1/users/{zap.user_id}").status == 200


def test_no_mail_says_anything_that_a_client_supplied(eve, mailoutbox):
    sign_up_with_links(eve)
    ask_for_everything(eve, mailoutbox)
    subjects = {
        *("Verify your email for ZapAuth", "New log-in to your ZapAuth account", "Your ZapAuth reset code"),
        "Your ZapAuth account was deleted",
        *(
            f"The {what} of your ZapAuth account was changed"
            for what in ("user name", "phone number", "password", "email")
        ),
        "The email of your ZapAuth account is to change",
    }
    assert {mail.subject for mail in mailoutbox} == subjects
    told = "".join(mail.body for mail in mailoutbox)
    for each in ("Another email address was set", "has taken the place", "user name", "phone number", "password was"):
        assert each in told
    assert "The account was deleted" in told
    for mail in mailoutbox:
        assert mail.body.startswith("Hello,\n")
        html = html_of(mail)
        for part in (mail.subject, mail.body, html):
            for word in ("evil", "+49666", "victim@", LINK):
                assert word not in part.lower(), part
        # Every address in a mail is ours.
        assert set(re.findall(r"https?://[^/]*", mail.body + html)) <= {"https://auth.example.org"}


def test_a_change_that_identifies_the_user_is_told_with_what_to_do(ann, commits, mailoutbox, settings):
    settings.PUBLIC_URL = ""
    zap = ZapPhone(ann.send)
    zap.log_in(ann.username)
    mailoutbox.clear()
    with time_machine.travel("2026-03-01T12:34:56Z", tick=False):
        zap.log_in(ann.username)
        changes = {"username": "ann_lee", "phoneNumber": "+491"}
        assert zap.ask("PUT", f"/v1/users/{zap.user_id}", changes).status == 200
    (mail,) = mailoutbox
    assert mail.to == ["ann@example.org"]
    for words in ("2026-03-01 at 12:34 UTC", "The user name was changed.", "The phone number was changed."):
        assert words in mail.body
    assert "If it was not you, set a new password at once" in mail.body
    assert "this address, which still works" in mail.body
    assert mail.subject == "Your ZapAuth account has changed"  # in two ways


def test_after_a_deletion_no_new_password_is_promised(ann, commits, mailoutbox):
    path = "/users/me" if ann.dialect == "buddy" else f"/v1/users/{ann.user_id}"
    assert ann.ask("DELETE", path).status == 200
    (mail,) = mailoutbox
    assert "The account was deleted." in mail.body
    assert "tell the people who run ZapAuth" in mail.body


def test_nothing_is_told_of_what_does_not_identify_the_user_or_does_not_change(ann, commits, mailoutbox):
    zap = ZapPhone(ann.send)
    zap.log_in(ann.username)
    mailoutbox.clear()
    zap.ask(
        "PUT", f"/v1/users/{zap.user_id}", {"name": "Ann Lee", "username": ann.username, "email": "ann@example.org"}
    )
    assert mailoutbox == []


def test_a_mail_is_text_and_html_that_say_the_same(ann, commits, mailoutbox):
    ZapPhone(ann.send).call("POST", "/v1/otp/forgotPassword", {"identity": ann.username})
    (mail,) = mailoutbox
    code, html = reset_code_in(mail), html_of(mail)
    assert code in html
    for words in ("A new password was asked for your ZapAuth account.", "10 minutes", "not even to our staff"):
        assert words in html
    assert mail.extra_headers["Auto-Submitted"] == "auto-generated"
    assert not re.findall(r"<img|<link|src=|url\(", html)  # nothing is loaded from a server


def test_a_service_in_a_name_with_letters_of_html_is_escaped(ann, commits, mailoutbox, settings):
    settings.SERVICE_NAME = "Fish & <Chips>"
    ZapPhone(ann.send).call("POST", "/v1/otp/forgotPassword", {"identity": ann.username})
    (mail,) = mailoutbox
    assert "Fish & <Chips>" in mail.body
    assert "Fish &amp; &lt;Chips&gt;" in html_of(mail)
    assert "<Chips>" not in html_of(mail)


@pytest.mark.only("zap")
@pytest.mark.parametrize("by_staff", [True, False])
def test_a_mail_says_where_a_change_came_from_unless_staff_made_it(
    ann, django_capture_on_commit_callbacks, mailoutbox, by_staff
):
    with django_capture_on_commit_callbacks(execute=True):
        origin = Origin(ip="192.0.2.17")
        mail_account_changed(User.objects.get(), AccountChange.PASSWORD, origin=origin, by_staff=by_staff)
    (mail,) = mailoutbox
    for part in (mail.body, html_of(mail)):
        assert ("192.0.2.17" in part) is not by_staff


@pytest.mark.only("zap")
def test_an_email_that_is_removed_is_told_as_such(ann, commits, mailoutbox, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        change_in_admin(User.objects.get(), by={}, email=None)
    (mail,) = mailoutbox
    assert mail.subject == "The email of your ZapAuth account was removed"
    assert "This email address was removed." in mail.body
    assert "/account/" not in mail.body  # it was never verified
