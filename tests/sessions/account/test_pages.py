"""Headers, addresses and errors of the account page, and its color."""

import re

import pytest
from django.test import Client
from django.urls import reverse

from sessions.account.color import contrast, readable_on, rgb_of, text_on
from sessions.account.urls import urlpatterns
from tests.sessions.account.people import HOME, browser_of, text_of
from users.models import User
from zapauth.environment import Environment

OPEN = {"color", "login", "login_code", "logout", "forgotten", "forgotten_code"}
SESSION = "01900000-0000-7000-8000-000000000000"
URLS = {
    str(pattern.name): reverse(f"account:{pattern.name}", args=[SESSION] if "uuid" in str(pattern.pattern) else [])
    for pattern in urlpatterns
    if not {"token", "state"}
    & pattern.pattern.converters.keys()  # pages of links in mails: test_not_me.py and test_invitation.py
}
OWN = {name: url for name, url in URLS.items() if name not in OPEN}
POLICY = {
    "default-src 'none'",
    "script-src 'none'",
    "style-src 'self'",
    "font-src 'none'",
    "img-src 'self' data:",
    "connect-src 'none'",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
    "object-src 'none'",
}


def check_headers(answer):
    assert set(answer["Content-Security-Policy"].split("; ")) == POLICY
    assert "no-store" in answer["Cache-Control"]
    assert answer["Referrer-Policy"] == "same-origin"
    assert answer["X-Frame-Options"] == "DENY"


def test_every_page_of_ones_own_has_the_log_out_button(ann):
    browser, shown = browser_of("ann"), 0
    User.objects.update(new_email="ann@example.com")
    for url in OWN.values():
        page = browser.get(url)
        if page.status_code == 200:
            form = re.search(r'<form[^>]*action="/account/logout/".*?</form>', page.content.decode(), re.DOTALL)
            assert "Log out" in form[0], url
            shown += 1
    assert shown >= 7


@pytest.mark.parametrize("url", ["/account/login/", "/admin/login/", "/account/password/", "/account/forgotten/code/"])
def test_passwords_are_masked_and_password_managers_know_the_fields(ann, url):
    browser = browser_of("ann") if "account/password" in url else Client()
    fields = re.findall(r'<input[^>]*name="[^"]*password[^"]*"[^>]*>', browser.get(url).content.decode())
    assert fields
    for field in fields:
        assert 'type="password"' in field
        assert re.search(r'autocomplete="(current|new)-password"', field)
        assert "onpaste" not in field


@pytest.mark.parametrize("name", OWN)
@pytest.mark.parametrize("method", ["get", "post"])
def test_a_page_of_ones_own_asks_strangers_to_log_in(db, name, method):
    answer = getattr(Client(), method)(OWN[name])
    assert (answer.status_code, answer["Location"].startswith("/account/login/")) == (302, True)
    check_headers(answer)


def test_every_page_is_stored_nowhere_runs_no_script_and_has_one_heading(ann):
    browser = browser_of("ann")
    User.objects.update(new_email="ann@example.com")
    shown = set()
    for name, url in URLS.items():
        stranger = name in ("login", "forgotten", "forgotten_code")
        answer = (Client() if stranger else browser).get(url)
        if answer.status_code != 200 or name == "color":
            continue
        check_headers(answer)
        page = answer.content.decode()
        assert (page.count("<h1"), page.count("<main"), page.count('lang="en"')) == (1, 1, 1)
        assert "<script" not in page
        assert not re.search(r"\s(style|on\w+)=", page)
        for field in re.findall(r'<input[^>]*\bid="(\w+)"', page):
            assert f'<label for="{field}"' in page
        for form in re.findall(r"<form.*?</form>", page, re.DOTALL):
            assert ('method="post"' in form, "csrfmiddlewaretoken" in form) == (True, True)
        shown.add(name)
    assert shown >= {"home", "login", "forgotten", "forgotten_code", "history", "password", "email", "email_code"}
    assert shown >= {"email_keep", "end_others", "second_factor"}


@pytest.mark.parametrize("name", sorted(OWN))
def test_a_form_of_another_site_is_refused(ann, name):
    browser = browser_of("ann")
    browser.handler.enforce_csrf_checks = True
    answer = browser.post(OWN[name])
    assert (answer.status_code, "Nothing was changed" in text_of(answer)) == (403, True)
    assert ann.me().status == 200


def test_an_address_that_is_none_has_the_look_of_the_account(ann):
    for client in (Client(), browser_of("ann")):
        answer = client.get(f"{HOME}nothing/")
        assert (answer.status_code, "There is no such page" in text_of(answer)) == (404, True)
        assert "account/account.css" in answer.content.decode()


def test_an_error_of_ours_has_the_look_of_the_account(ann, monkeypatch):
    monkeypatch.setattr("sessions.account.home.own_sessions", lambda *_, **__: 1 / 0)
    browser = browser_of("ann")
    browser.raise_request_exception = False
    answer = browser.get(HOME)
    assert (answer.status_code, "Something went wrong" in text_of(answer)) == (500, True)
    assert "account/account.css" in answer.content.decode()


def test_a_database_that_cannot_answer_is_told_with_a_503(db, monkeypatch):
    from django.db import OperationalError

    def fail(*_, **__):
        raise OperationalError("gone")

    monkeypatch.setattr("sessions.account.login.get_user_by_identity", fail)
    answer = Client(raise_request_exception=False).post("/account/login/", {"username": "a", "password": "b"})
    assert (answer.status_code, answer["Retry-After"]) == (503, "2")
    assert "We can't answer now" in text_of(answer)
    assert "account/account.css" in answer.content.decode()


def test_the_address_without_its_slash_leads_to_the_page(db):
    assert Client().get("/account")["Location"] == HOME


@pytest.mark.parametrize("path", ["/accounts", "/accounts/", "/accountx", "/v1/account", "/Account/"])
def test_addresses_beside_it_belong_to_the_dialects(db, path):
    assert Client().get(path)["Content-Type"].startswith("application/json")


def test_the_name_of_the_service_is_on_each_page(db, settings):
    settings.SERVICE_NAME = "Fernweh & Co"
    page = Client().get("/account/login/").content.decode()
    assert "<title>Log in | Fernweh &amp; Co</title>" in page


@pytest.mark.parametrize(("path", "is_page"), [("/account/login/", True), ("/account", True), ("/accounts", False)])
def test_pages_lead_to_https_and_dialects_do_not(settings, db, path, is_page):
    settings.SECURE_SSL_REDIRECT = True
    answer = Client().get(path)
    assert (answer.status_code == 301) == is_page
    assert answer.headers.get("Location", "").startswith("https://") == is_page


ODD = [
    b"\xff\xfe",
    b"username=%ff%fe&password=%00",
    b"username=%ed%a0%80&password=%ed%a0%80",
    b"&&&=;=&username",
    b"username=a&username=b&password=c&next=%0d%0aX:1",
    b"{}",
    b"identity=%F0%9F%98%80&code=%E2%80%AE&new_password=a&new_password_again=a&proof=%00",
]


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "application/json", "multipart/form-data", ""])
@pytest.mark.parametrize("body", ODD)
def test_odd_bodies_are_no_error_of_ours(ann, kind, body):
    browser = Client(raise_request_exception=False)
    for url in ("login", "forgotten", "forgotten_code"):
        answer = browser.generic("POST", URLS[url], body, content_type=kind)
        assert answer.status_code in (200, 302, 400), answer.content
        assert answer.headers["Content-Type"].startswith("text/html")


@pytest.mark.parametrize("cookie", ["", "x", "a:b:c", ":" * 50, "é", "." * 4000, "eyJ:1:x"])
@pytest.mark.parametrize("name", ["account", "account_step"])
def test_an_odd_cookie_is_no_log_in(db, name, cookie):
    browser = Client(raise_request_exception=False)
    browser.cookies[name] = cookie
    for url in (HOME, "/account/login/code/"):
        assert browser.get(url).headers["Location"].startswith("/account/login/")


def test_a_body_that_is_too_large_is_a_400_in_the_look_of_the_account(db):
    answer = Client(raise_request_exception=False).post("/account/login/", {"username": "a" * 200_000})
    assert (answer.status_code, "can't be read" in text_of(answer)) == (400, True)


# --- the color -----------------------------------------------------------------------------------


def test_the_color_is_a_setting_and_is_kept_by_browsers(settings, db):
    settings.SERVICE_COLOR = "#ffd400"
    assert "/account/color.css?ffd400" in Client().get("/account/login/").content.decode()
    answer = Client().get("/account/color.css?ffd400")
    assert answer["Content-Type"] == "text/css; charset=utf-8"
    assert (answer["Cache-Control"], "Vary" in answer) == ("max-age=86400, public", False)
    assert "--accent: #ffd400; --accent-text: #000000;" in answer.content.decode()


@pytest.mark.parametrize(
    "color",
    ["#000000", "#ffffff", "#155dfc", "#ffd400", "#00ff00", "#ff0000", "#0000ff", "#777777", "#c0ffee"],
)
def test_texts_on_and_in_the_color_can_be_read(color):
    rgb = rgb_of(color)
    assert contrast(text_on(rgb), rgb) >= 4.5
    for ground in ("#ffffff", "#f9fafb", "#f3f4f6"):
        assert contrast(readable_on(rgb_of("#f3f4f6"), rgb), rgb_of(ground)) >= 4.5
    for ground in ("#101828", "#0b111e", "#1e2939"):
        assert contrast(readable_on(rgb_of("#1e2939"), rgb), rgb_of(ground)) >= 4.5


@pytest.mark.parametrize("text", ["155dfc", "#15f", "blue", "#155dfg", "#155dfc;}", "rgb(1,2,3)"])
def test_a_color_that_is_none_is_refused_at_the_start(monkeypatch, text):
    monkeypatch.setenv("SERVICE_COLOR", text)
    with pytest.raises(Exception, match="is a color such as #155dfc"):
        Environment().color("SERVICE_COLOR", "#155dfc")
    monkeypatch.setenv("SERVICE_COLOR", "#FFD400")
    assert Environment().color("SERVICE_COLOR", "#155dfc") == "#ffd400"
