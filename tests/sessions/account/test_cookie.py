"""A log-in to the account page is a normal session. When it ends, every copy of its cookie is refused."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from time_machine import travel

from sessions.checks import check_zap_app
from sessions.cookies import ACCOUNT_COOKIE
from sessions.inspect.credentials import credentials_of
from sessions.models import EndReason, Refusal, Session
from sessions.timeouts import end_timed_out
from sessions.tokens.jwt import UserAccessToken
from tests.commands.terminal import manage
from tests.phones import PASSWORD
from tests.sessions import staff
from tests.sessions.account.people import HOME, NEW, browser_of, copy_of, is_in, session_of, user, with_cookie
from users.clients import get_account_app, get_zap_app
from users.errors import AppInactive
from users.models import App, User
from users.reset_codes import issue_code

MINUTE = timedelta(minutes=1)


# --- how it ends: each with the cookie kept, and shown again -------------------------------------


def log_out(ann, browser):
    browser.post("/account/logout/")


def end_it_by_a_phone(ann, browser):
    assert ann.ask("DELETE", f"/v1/users/{ann.user_id}/sessions/{session_of('ann').pk}").status == 200


def scope_others_by_a_phone(ann, browser):
    assert ann.ask("POST", f"/v1/users/{ann.user_id}/sessions/logout", {"scope": "others"}).status == 200


def end_it_in_another_browser(ann, browser):
    assert browser_of("ann").post(f"{HOME}sessions/{session_of_first().pk}/end/").status_code == 302


def session_of_first():
    return Session.objects.filter(app__kind=App.Kind.ACCOUNT).earliest("pk")


def logout_user(ann, browser):
    assert manage("logout --user ann").code == 0


def logout_everyone(ann, browser):
    assert manage("logout --everyone --reason Leak").code == 0


def logout_app(ann, browser):
    assert manage("logout --app Account --reason Leak").code == 0
    assert ann.me().status == 200


def end_all_in_the_admin(ann, browser):
    boss = staff.browser_of(staff.new_staff(name="boss"))
    boss.post(staff.user_url(ann.user_id, "log_out"), {"note": "x"})


def disable_in_the_admin(ann, browser):
    boss = staff.browser_of(staff.new_staff(name="boss"))
    boss.post(staff.user_url(ann.user_id, "disable"), {"note": "x"})
    User.objects.filter(pk=ann.user_id).update(is_active=True)


def delete(ann, browser):
    assert ann.ask("DELETE", f"/v1/users/{ann.user_id}").status == 200


def change_password_by_a_phone(ann, browser):
    body = {"userId": ann.user_id, "email": "ann@example.org", "oldPassword": PASSWORD, "newPassword": NEW}
    assert ann.ask("POST", "/v1/changePassword", body).status == 200


def reset_password(ann, browser):
    body = {"identity": "ann", "otp": issue_code(user("ann")), "newPassword": NEW}
    assert ann.call("POST", "/v1/forgotPassword", body).status == 200


DOORS: dict[Callable, EndReason] = {
    log_out: EndReason.LOGOUT,
    end_it_by_a_phone: EndReason.LOGOUT,
    scope_others_by_a_phone: EndReason.LOGOUT,
    end_it_in_another_browser: EndReason.LOGOUT,
    logout_user: EndReason.OPERATOR,
    logout_everyone: EndReason.OPERATOR,
    logout_app: EndReason.OPERATOR,
    end_all_in_the_admin: EndReason.STAFF,
    disable_in_the_admin: EndReason.USER_DISABLED,
    delete: EndReason.USER_DELETED,
    change_password_by_a_phone: EndReason.PASSWORD_CHANGED,
    reset_password: EndReason.PASSWORD_CHANGED,
}


@pytest.mark.parametrize(("end", "reason"), DOORS.items(), ids=[door.__name__ for door in DOORS])
def test_a_kept_cookie_is_refused_after(browser, ann, end, reason):
    session, copy = session_of("ann"), copy_of(browser)
    assert (is_in(browser), is_in(copy)) == (True, True)
    end(ann, browser)
    answer = copy.get(HOME)
    assert answer.headers["Location"].startswith("/account/login/")
    session.refresh_from_db()
    assert session.end_reason == reason
    assert not is_in(with_cookie(copy.cookies[ACCOUNT_COOKIE].value))


@pytest.mark.parametrize(
    "change",
    [{"is_active": False}, {"deleted_at": timezone.now()}, {"session_epoch": 1}, {"sessions_valid_after": "now"}],
    ids=lambda change: next(iter(change)),
)
def test_a_cookie_is_refused_from_the_write_on_that_takes_the_right_away(browser, change):
    if "sessions_valid_after" in change:
        change = {"sessions_valid_after": timezone.now()}
    User.objects.update(**change)
    assert not is_in(browser)


def test_the_time_outs_are_settings_of_their_own(settings, ann):
    settings.ACCOUNT_SESSION_LIFETIME, settings.ACCOUNT_IDLE_TIMEOUT = timedelta(hours=2), timedelta(hours=1)
    browser = browser_of("ann")
    copy, opened = copy_of(browser), session_of("ann").created_at
    assert session_of("ann").expires_at - opened == timedelta(hours=2)
    with travel(opened + 59 * MINUTE, tick=False):
        assert is_in(browser)
    with travel(opened + 118 * MINUTE, tick=False):
        assert is_in(browser)
    with travel(opened + 120 * MINUTE, tick=False):
        assert not is_in(copy)
        end_timed_out()
    assert session_of("ann").end_reason == EndReason.EXPIRED


def test_a_log_in_ends_after_an_hour_without_use(browser):
    seen, copy = session_of("ann").last_seen_at, copy_of(browser)
    with travel(seen + 60 * MINUTE, tick=False):
        assert session_of("ann").refusal(timezone.now()) == Refusal.IDLE
        assert not is_in(copy)
        end_timed_out()
    assert session_of("ann").end_reason == EndReason.IDLE


def test_no_limit_of_sessions_for_users_ends_a_log_in_to_the_account(settings, ann):
    settings.SESSIONS_PER_USER = 1
    first, second = browser_of("ann"), browser_of("ann")
    assert (is_in(first), is_in(second), ann.me().status) == (True, True, 200)


# --- what works as a cookie, and what a cookie works for -----------------------------------------


def test_the_cookies_of_the_admin_and_the_account_are_worth_nothing_to_each_other(db):
    boss = staff.new_staff(name="boss")
    of_account, of_admin = browser_of("boss"), staff.browser_of(boss)
    wrong_admin, wrong_account = Client(), Client()
    wrong_admin.cookies["sessionid"] = of_account.cookies[ACCOUNT_COOKIE].value
    wrong_account.cookies[ACCOUNT_COOKIE] = of_admin.cookies["sessionid"].value
    assert not staff.is_in(wrong_admin)
    assert not is_in(wrong_account)


def test_a_cookie_of_one_page_does_not_work_with_the_session_of_the_other(db, monkeypatch):
    """Even with the same signature: the session's app decides, too."""
    staff.new_staff(name="boss")
    browser = browser_of("boss")
    App.objects.filter(kind=App.Kind.ACCOUNT).update(kind=App.Kind.ADMIN, name="Other")
    assert not is_in(browser)


def test_a_cookie_that_names_a_phones_session_opens_nothing(browser, ann):
    App.objects.filter(kind=App.Kind.ACCOUNT).update(kind=App.Kind.CLIENT)
    assert not is_in(browser)


def test_a_changed_cookie_opens_nothing(browser):
    value = browser.cookies[ACCOUNT_COOKIE].value
    data, moment, signature = value.split(":")
    for other in (data, f"{data}:{moment}", f"{data}x:{moment}:{signature}", f"{data}:{moment}x:{signature}", ""):
        assert not is_in(with_cookie(other))


def test_no_token_is_accepted_for_a_session_of_the_account_page(browser, ann):
    session = session_of("ann")
    token = str(UserAccessToken.for_session(session, issued_at=session.created_at, expires_at=session.expires_at))
    assert ann.me(token).status == 401
    App.objects.filter(kind=App.Kind.ACCOUNT).update(name="x")
    assert ann.me(token).status == 401


def test_the_admin_and_the_documentation_get_no_cookie_of_the_account(browser):
    assert browser.cookies[ACCOUNT_COOKIE]["path"] == "/account/"
    assert ACCOUNT_COOKIE not in browser.get("/admin/login/").cookies


def test_the_cookie_is_not_sent_again_with_each_page(browser):
    assert ACCOUNT_COOKIE not in browser.get(HOME).cookies


def test_explain_tells_whose_cookie_it_is(browser):
    value = browser.cookies[ACCOUNT_COOKIE].value
    for around in ("{}", "Cookie: account={}", "Cookie: csrftoken=x; account={}; messages=y"):
        done = manage("explain", around.format(value))
        assert (done.code, done.out.splitlines()[0]) == (0, "cookie of the account page: accepted")
        assert value not in done.out
    log_out(None, browser)
    assert "cookie of the account page: refused: The session has ended" in manage("explain", value).out


def test_the_log_in_is_among_the_credentials_of_the_user(browser):
    kinds = [credential.kind for credential in credentials_of(user("ann"))]
    assert "account log-in" in kinds


def test_a_phone_sees_the_session_among_the_users_own(browser, ann):
    listed = ann.ask("GET", f"/v1/users/{ann.user_id}/sessions").text
    assert str(session_of("ann").pk) in listed


# --- the app -------------------------------------------------------------------------------------


def test_the_app_is_made_once_and_takes_another_name_if_its_own_is_taken(db):
    App.objects.create(name="Account")
    app = get_account_app()
    assert (app.name, app.key_hash, app == get_account_app()) == ("Account (ZapAuth)", "", True)


def test_zaps_clients_do_not_get_the_app_of_the_account(db, settings):
    settings.ZAP_APP = get_account_app().name
    with pytest.raises(AppInactive):
        get_zap_app()
    assert [error.id for error in check_zap_app(None)] == ["user_sessions.E002"]
