"""The log-in to the account page: the same checks, counts and records as every other log-in."""

import pytest
from django.test import Client
from django.urls import reverse

from sessions.cookies import ACCOUNT_COOKIE
from sessions.models import EndReason, Session
from sessions.second_step import IN_ACCOUNT, IN_ADMIN
from tests.phones import PASSWORD, work_of
from tests.second_factor import NO_RECOVERY_CODE, give_factor
from tests.sessions import staff
from tests.sessions.account.people import (
    CODE,
    FIREFOX,
    FORGOTTEN,
    HOME,
    LOG_IN,
    browser_of,
    copy_of,
    is_in,
    live,
    log_in,
    session_of,
    text_of,
    user,
    with_cookie,
)
from users.models import App, SecurityEvent, User

WRONG = "The name or the password is wrong"


@pytest.fixture
def secured(ann):
    """Ann's authenticator app and recovery codes."""
    return give_factor(ann.user_id)


@pytest.mark.parametrize("identity", ["ann", "ANN", "ann@example.org", "+4915112345678"])
def test_people_log_in_by_name_email_or_phone_number(ann, identity):
    User.objects.update(phone_number="+4915112345678")
    browser = Client(headers={"user-agent": FIREFOX})
    assert log_in(browser, identity).headers["Location"] == HOME
    session = session_of("ann")
    assert (session.app.name, session.app.kind) == ("Account", App.Kind.ACCOUNT)
    assert (session.platform, session.ip, session.refresh_jti) == ("Linux", "127.0.0.1", None)
    assert is_in(browser)


def test_the_cookie_is_for_the_account_page_and_for_http_only(ann, settings):
    settings.SESSION_COOKIE_SECURE = True
    browser = browser_of("ann")
    cookie = browser.cookies[ACCOUNT_COOKIE]
    assert (cookie["path"], cookie["httponly"], cookie["samesite"], cookie["secure"]) == (
        "/account/",
        True,
        "Lax",
        True,
    )
    assert "sessionid" not in browser.cookies


def test_a_log_in_is_on_record_like_every_other_one(ann):
    browser_of("ann")
    session = session_of("ann")
    entries = SecurityEvent.objects.filter(session_id=session.pk).order_by("event")
    assert [(entry.event, entry.app.name, entry.user_agent) for entry in entries] == [
        ("login", "Account", FIREFOX),
        ("new_device", "Account", FIREFOX),
    ]


def test_a_log_in_in_a_new_browser_is_told_by_mail(ann, settings, mailoutbox, django_capture_on_commit_callbacks):
    settings.NEW_DEVICE_MAIL = True
    with django_capture_on_commit_callbacks(execute=True):
        browser_of("ann")
    (mail,) = mailoutbox
    assert "Account" in mail.body


def test_a_wrong_name_and_a_wrong_password_look_the_same(ann):
    pages = [log_in(Client(), name, "wrong-pass-1") for name in ("ann", "nobody", "ann@example.com")]
    told = [text_of(page) for page in pages]
    assert all(WRONG in text for text in told)
    assert len(set(told)) == 1
    assert {page.status_code for page in pages} == {200}
    assert not Session.objects.filter(app__kind=App.Kind.ACCOUNT).exists()


def test_an_unknown_name_costs_what_a_wrong_password_costs(ann):
    known, unknown = [work_of(lambda name=name: log_in(Client(), name, "wrong-pass-1")) for name in ("ann", "nobody")]
    assert known == unknown


def test_wrong_passwords_are_counted_with_those_of_the_api(ann, settings):
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"login": (3, 900), "login_known": (3, 900)}
    for _ in range(2):
        log_in(Client(), "ann", "wrong-pass-1")
    ann.call("POST", "/v1/login", {"identity": "ann", "password": "wrong-pass-1"})
    assert "Too many attempts" in text_of(log_in(Client(), "ann"))
    assert ann.log_in("ann").status == 429


def test_a_disabled_account_is_told_only_with_the_right_password(ann):
    User.objects.update(is_active=False)
    assert WRONG in text_of(log_in(Client(), "ann", "wrong-pass-1"))
    assert "This account is disabled" in text_of(log_in(Client(), "ann"))


def test_a_deleted_account_is_unknown(ann):
    ann.ask("DELETE", f"/v1/users/{ann.user_id}")
    assert WRONG in text_of(log_in(Client(), "ann"))


def test_nobody_logs_in_while_the_app_is_switched_off(ann):
    browser = browser_of("ann")
    App.objects.filter(kind=App.Kind.ACCOUNT).update(is_active=False)
    assert not is_in(browser)
    assert "You can't log in here now" in text_of(log_in(Client(), "ann"))


@pytest.mark.parametrize(
    ("typed", "error"),
    [
        ({}, "This field is required"),
        ({"username": "ann"}, "This field is required"),
        ({"username": "ann\0", "password": PASSWORD}, "Null characters are not allowed"),
        ({"username": "a" * 321, "password": PASSWORD}, "at most 320 characters"),
        ({"username": "ann", "password": "p" * 5000}, "at most 4096 characters"),
    ],
)
def test_bad_input_is_told_beside_its_field(ann, typed, error):
    page = Client().post(LOG_IN, typed)
    assert (page.status_code, error in text_of(page)) == (200, True)


def test_staff_log_in_like_others_and_get_no_rights_from_it(db):
    staff.new_staff(name="boss")
    browser = browser_of("boss")
    assert is_in(browser)
    assert not staff.is_in(browser)
    of_staff = staff.browser_of(user("boss"))
    assert not is_in(of_staff)


def test_logging_in_again_ends_the_session_before_and_makes_another_cookie(ann):
    browser = browser_of("ann")
    before, copy = session_of("ann"), copy_of(browser)
    log_in(browser, "ann")
    assert (is_in(browser), is_in(copy)) == (True, False)
    before.refresh_from_db()
    assert before.end_reason == EndReason.SUPERSEDED


def test_a_cookie_that_was_there_before_the_log_in_is_not_the_one_after_it(ann):
    browser = Client()
    browser.post(FORGOTTEN, {"identity": "ann"})
    planted = browser.cookies[ACCOUNT_COOKIE].value
    log_in(browser, "ann")
    assert browser.cookies[ACCOUNT_COOKIE].value != planted
    assert not is_in(with_cookie(planted))


@pytest.mark.parametrize(
    "wanted",
    [
        "https://evil.example/account/",
        "//evil.example/account/",
        "/\\evil.example/account/",
        "/account/../admin/",
        "/account/%2e%2e/admin/",
        "/admin/",
        "/v1/users",
        "javascript:alert(1)",
        "account/",
        "/accounts/",
        "",
    ],
)
def test_a_log_in_leads_to_no_other_place(ann, secured, wanted):
    app, _ = secured
    browser = Client()
    answer = log_in(browser, "ann", next=wanted)
    assert answer.status_code == 302
    code_page = answer.headers["Location"]
    assert code_page.startswith(CODE)
    done = browser.post(code_page, {"code": app.code()})
    assert done.headers["Location"] == HOME
    again = browser.get(LOG_IN, {"next": wanted})
    assert again.headers["Location"] == HOME


def test_a_page_that_needs_a_log_in_comes_after_it(ann):
    browser = Client()
    asked = browser.get("/account/history/?older=x")
    assert asked.headers["Location"] == "/account/login/?next=%2Faccount%2Fhistory%2F%3Folder%3Dx"
    page = browser.get(asked.headers["Location"])
    answer = log_in(browser, "ann", next=page.context["next"])
    assert answer.headers["Location"] == "/account/history/?older=x"


# --- the second factor ---------------------------------------------------------------------------


def test_the_password_alone_opens_nothing_for_users_with_a_second_factor(ann, secured):
    app, _ = secured
    browser = Client()
    asked = log_in(browser, "ann")
    assert asked.headers["Location"].startswith(CODE)
    assert not is_in(browser)
    wrong = browser.post(CODE, {"code": app.wrong_code()})
    assert "This code is wrong, used or too old" in text_of(wrong)
    assert browser.post(CODE, {"code": f" {app.code()[:3]} {app.code()[3:]} "}).status_code == 302
    assert is_in(browser)
    assert session_of("ann").ended_at is None


def test_a_recovery_code_opens_the_page_once(ann, secured):
    _, codes = secured
    browser = Client()
    log_in(browser, "ann")
    page = browser.get(f"{CODE}?recovery=1")
    assert "Recovery code" in text_of(page)
    done = browser.post(f"{CODE}?recovery=1", {"code": codes[0].upper()}, follow=True)
    assert "You have 9 recovery codes left" in text_of(done)
    again = Client()
    log_in(again, "ann")
    assert "This code is wrong" in text_of(again.post(CODE, {"code": codes[0]}))
    assert "This code is wrong" in text_of(again.post(CODE, {"code": NO_RECOVERY_CODE}))


def test_the_code_page_asks_for_the_password_first(ann, secured):
    answer = Client().get(CODE, follow=True)
    assert answer.redirect_chain[0][0].startswith(LOG_IN)
    assert "Log in again" in text_of(answer)


def test_the_step_between_of_the_admin_and_that_of_the_account_are_worth_nothing_to_each_other(db):
    boss = staff.new_staff(name="boss")
    app, _ = give_factor(boss.pk)
    browser, of_staff = Client(), Client()
    log_in(browser, "boss")
    of_staff.post("/admin/login/", {"username": "boss", "password": PASSWORD, "next": "/admin/"})
    for taken, given, page in (
        (browser, IN_ADMIN.cookie, "/admin/login/code/"),
        (of_staff, IN_ACCOUNT.cookie, CODE),
    ):
        thief = Client()
        own = IN_ACCOUNT.cookie if taken is browser else IN_ADMIN.cookie
        thief.cookies[given] = taken.cookies[own].value
        thief.cookies[own] = taken.cookies[own].value
        answer = thief.post(page, {"code": app.code()})
        assert answer.headers["Location"].startswith((LOG_IN, "/admin/login/"))
        assert "/login/code/" not in answer.headers["Location"]
    assert live("boss") == []


# --- log-in CSRF, and the way out ----------------------------------------------------------------


def test_a_form_of_another_site_logs_nobody_in_or_out(ann):
    strict = Client(enforce_csrf_checks=True)
    answer = strict.post(LOG_IN, {"username": "ann", "password": PASSWORD})
    assert (answer.status_code, "Nothing was changed" in text_of(answer)) == (403, True)
    browser = browser_of("ann")
    browser.handler.enforce_csrf_checks = True
    assert browser.post("/account/logout/").status_code == 403
    assert is_in(browser)


def test_logging_out_ends_the_session_and_deletes_the_cookie(ann):
    browser = browser_of("ann")
    copy = copy_of(browser)
    page = browser.post(reverse("account:logout"), follow=True)
    assert "You are logged out" in text_of(page)
    assert session_of("ann").end_reason == EndReason.LOGOUT
    assert (is_in(browser), is_in(copy)) == (False, False)
    assert browser.post(reverse("account:logout")).status_code == 302
    assert ann.me().status == 200


def test_a_link_logs_nobody_out(ann):
    browser = browser_of("ann")
    assert browser.get("/account/logout/").status_code == 405
    assert is_in(browser)
    assert user("ann").is_active
