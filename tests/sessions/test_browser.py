"""A log-in to the admin is a normal session. When it ends, every copy of its cookie is refused."""

import re
from collections.abc import Callable
from datetime import timedelta
from io import StringIO

import pytest
from django.conf import settings as project
from django.contrib.auth.management.commands import changepassword
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.utils import timezone
from time_machine import travel

from sessions.models import EndReason, Refusal, Session
from sessions.timeouts import end_timed_out
from tests.commands.terminal import manage
from tests.phones import PASSWORD, InProcess, ZapPhone
from tests.sessions.staff import LIST, browser_of, confirm, is_in, log_in, new_staff, tick, user_url
from users.clients import get_admin_app
from users.models import App, User
from users.reset_codes import issue_code

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
NEW = "another-pass-2"
MINUTE = timedelta(minutes=1)


@pytest.fixture
def browser(sven):
    return browser_of(sven)


@pytest.fixture
def copy(browser):
    """Return another browser with the cookies of the first one, as a thief has it."""
    return copy_of(browser)


def cookie_of(browser: Client) -> str:
    return browser.cookies[project.SESSION_COOKIE_NAME].value


def copy_of(browser: Client) -> Client:
    return with_cookie(cookie_of(browser))


def with_cookie(value: str) -> Client:
    client = Client()
    client.cookies[project.SESSION_COOKIE_NAME] = value
    return client


def session_of(user: User) -> Session:
    """Return the newest log-in of that user to the admin."""
    return Session.objects.filter(user=user, app__kind=App.Kind.ADMIN).select_related("app", "user").latest("pk")


# --- how it begins ------------------------------------------------------------------------------


def test_a_log_in_to_the_admin_opens_a_session_of_ours(sven):
    browser = Client(headers={"user-agent": FIREFOX})
    log_in(browser, sven)
    session = session_of(sven)
    assert (session.app.name, session.platform, session.user_agent) == ("Admin", "Linux", FIREFOX)
    assert (session.ip, session.device, session.refresh_jti) == ("127.0.0.1", None, None)
    assert session.expires_at - session.created_at == timedelta(hours=12)
    sven.refresh_from_db()
    assert (sven.last_login <= session.created_at, sven.ip_addresses) == (True, ["127.0.0.1"])
    assert is_in(browser)


def test_the_cookie_is_for_http_only_and_for_our_own_pages(browser, settings):
    cookie = browser.cookies[project.SESSION_COOKIE_NAME]
    assert (cookie["httponly"], cookie["samesite"], cookie["secure"]) == (True, "Lax", "")
    settings.SESSION_COOKIE_SECURE = True
    log_in(browser, User.objects.get(username="sven"))
    assert browser.cookies[project.SESSION_COOKIE_NAME]["secure"] is True


def test_a_wrong_password_and_a_user_who_is_not_staff_open_nothing(sven):
    ZapPhone(InProcess()).sign_up("ann")
    for name, password in (("sven", "wrong-pass-1"), ("ann", PASSWORD)):
        client = Client()
        page = client.post("/admin/login/", {"username": name, "password": password, "next": "/admin/"})
        assert "Please enter the correct username and password" in page.content.decode()
        assert not is_in(client)
    assert not Session.objects.filter(app__kind=App.Kind.ADMIN).exists()


def test_a_password_that_changes_during_the_log_in_opens_nothing(sven, monkeypatch):
    def change(*_):
        changed = User.objects.get(pk=sven.pk)
        changed.set_password(NEW)
        changed.save()
        return get_admin_app()

    monkeypatch.setattr("sessions.browser.get_admin_app", change)
    page = Client().post("/admin/login/", {"username": "sven", "password": PASSWORD, "next": "/admin/"})
    assert "Please enter the correct username and password" in page.content.decode()
    assert not Session.objects.exists()


def test_logging_in_again_in_the_same_browser_ends_the_session_before(browser, copy, sven):
    before = session_of(sven)
    log_in(browser, sven)
    assert (is_in(browser), is_in(copy)) == (True, False)
    before.refresh_from_db()
    assert before.end_reason == EndReason.SUPERSEDED


def test_a_log_in_from_a_new_browser_is_told_by_mail(sven, settings, mailoutbox, django_capture_on_commit_callbacks):
    settings.NEW_DEVICE_MAIL = True
    User.objects.update(email="sven@example.org")
    for agent in (FIREFOX, FIREFOX, "Another/1.0"):
        with django_capture_on_commit_callbacks(execute=True):
            log_in(Client(headers={"user-agent": agent}), sven)
    (mail,) = mailoutbox
    assert "Admin" in mail.body
    assert "127.0.0.1" in mail.body
    assert "Another/1.0" not in mail.body


def test_a_page_costs_one_statement_for_the_session_and_its_user(browser, django_assert_max_num_queries):
    with django_assert_max_num_queries(4) as queries:  # permissions, and the link to the password page
        browser.get("/admin/password_change/done/")
    (check,) = [query["sql"] for query in queries if "user_sessions_session" in query["sql"]]
    assert "clock_timestamp()" in check


def test_the_documentation_and_static_files_ask_for_no_session(browser, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert browser.get("/docs/").status_code == 200


# --- how it ends: each with the cookie kept, and shown again -------------------------------------


def log_out(sven: User, browser: Client) -> None:
    assert browser.post("/admin/logout/").status_code == 200


def log_out_of_another_browser_by_a_phone(sven: User, browser: Client) -> None:
    phone = ZapPhone(InProcess())
    phone.log_in("sven")
    url = f"/v1/users/{sven.pk}/sessions/{session_of(sven).pk}"
    assert phone.ask("DELETE", url).status == 200


def scope_all(sven: User, browser: Client) -> None:
    phone = ZapPhone(InProcess())
    phone.log_in("sven")
    assert phone.ask("POST", f"/v1/users/{sven.pk}/sessions/logout", {"scope": "all"}).status == 200


def scope_others(sven: User, browser: Client) -> None:
    phone = ZapPhone(InProcess())
    phone.log_in("sven")
    assert phone.ask("POST", f"/v1/users/{sven.pk}/sessions/logout", {"scope": "others"}).status == 200
    assert phone.me().status == 200


def logout_user(sven: User, browser: Client) -> None:
    assert manage("logout --user sven").code == 0


def logout_everyone(sven: User, browser: Client) -> None:
    assert manage("logout --everyone --reason Leak").code == 0


def logout_admin_app(sven: User, browser: Client) -> None:
    assert manage("logout --app Admin --reason Leak").code == 0


def end_all_in_the_admin(sven: User, browser: Client) -> None:
    boss = browser_of(new_staff(name="boss"))
    assert "ended" in boss.post(user_url(sven.pk, "log_out"), {"note": "x"}, follow=True).content.decode()
    assert is_in(boss)


def disable_in_the_admin(sven: User, browser: Client) -> None:
    boss = browser_of(new_staff(name="boss"))
    assert boss.post(user_url(sven.pk, "disable"), {"note": "x"}).status_code == 302
    User.objects.filter(pk=sven.pk).update(is_active=True)


def take_staff_away(sven: User, browser: Client) -> None:
    boss = browser_of(new_staff(name="boss"))
    assert boss.post(user_url(sven.pk), {"username": "sven", "is_active": "on"}).status_code == 302
    sven.refresh_from_db()
    assert not sven.is_staff
    # A year later the user is staff again. The ended session stays ended.
    User.objects.filter(pk=sven.pk).update(is_staff=True)


def delete(sven: User, browser: Client) -> None:
    phone = ZapPhone(InProcess())
    phone.log_in("sven")
    assert phone.ask("DELETE", f"/v1/users/{sven.pk}").status == 200


def change_password_by_a_phone(sven: User, browser: Client) -> None:
    User.objects.filter(pk=sven.pk).update(email="sven@example.org")
    phone = ZapPhone(InProcess())
    phone.log_in("sven")
    body = {"userId": sven.pk, "email": "sven@example.org", "oldPassword": PASSWORD, "newPassword": NEW}
    assert phone.ask("POST", "/v1/changePassword", body).status == 200


def change_password_in_another_browser(sven: User, browser: Client) -> None:
    other = browser_of(sven)
    change_own_password(other)
    assert is_in(other)


def change_password_in_this_browser(sven: User, browser: Client) -> None:
    change_own_password(browser)
    # The session continues with a new cookie, which the thief does not have.
    assert is_in(browser)


def change_own_password(browser: Client) -> None:
    passwords = {"old_password": PASSWORD, "new_password1": NEW, "new_password2": NEW}
    assert browser.post("/admin/password_change/", passwords).status_code == 302


def change_password_by_command(sven: User, browser: Client) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(changepassword.getpass, "getpass", lambda **_: NEW)
        call_command("changepassword", "sven", stdout=StringIO())


def reset_password(sven: User, browser: Client) -> None:
    body = {"identity": "sven", "otp": issue_code(sven), "newPassword": NEW}
    assert ZapPhone(InProcess()).call("POST", "/v1/forgotPassword", body).status == 200


DOORS: dict[Callable[[User, Client], None], EndReason] = {
    log_out: EndReason.LOGOUT,
    log_out_of_another_browser_by_a_phone: EndReason.LOGOUT,
    scope_all: EndReason.LOGOUT,
    scope_others: EndReason.LOGOUT,
    logout_user: EndReason.OPERATOR,
    logout_everyone: EndReason.OPERATOR,
    logout_admin_app: EndReason.OPERATOR,
    end_all_in_the_admin: EndReason.STAFF,
    disable_in_the_admin: EndReason.USER_DISABLED,
    take_staff_away: EndReason.STAFF,
    delete: EndReason.USER_DELETED,
    change_password_by_a_phone: EndReason.PASSWORD_CHANGED,
    change_password_in_another_browser: EndReason.PASSWORD_CHANGED,
    change_password_in_this_browser: EndReason.PASSWORD_CHANGED,
    change_password_by_command: EndReason.PASSWORD_CHANGED,
    reset_password: EndReason.PASSWORD_CHANGED,
}


@pytest.mark.parametrize(("end", "reason"), DOORS.items(), ids=[door.__name__ for door in DOORS])
def test_a_kept_cookie_is_refused_after(browser, copy, sven, end, reason):
    session = session_of(sven)
    assert (is_in(browser), is_in(copy)) == (True, True)
    end(sven, browser)
    assert not is_in(copy)
    session.refresh_from_db()
    assert session.end_reason == reason
    assert not is_in(with_cookie(cookie_of(copy)))


@pytest.mark.parametrize(
    "change",
    [{"is_active": False}, {"is_staff": False}, {"deleted_at": timezone.now()}, {"session_epoch": 1}],
    ids=lambda change: next(iter(change)),
)
def test_a_cookie_is_refused_from_the_write_on_that_takes_the_right_away(browser, sven, change):
    assert is_in(browser)
    User.objects.filter(pk=sven.pk).update(**change)
    assert not is_in(browser)


def test_a_cookie_is_refused_while_the_admin_app_is_off_and_nobody_logs_in(browser, sven):
    App.objects.filter(kind=App.Kind.ADMIN).update(is_active=False)
    assert not is_in(browser)
    page = Client().post("/admin/login/", {"username": "sven", "password": PASSWORD, "next": "/admin/"})
    assert page.status_code == 200
    assert not is_in(browser)


def test_a_log_in_ends_after_twelve_hours_however_much_it_is_used(browser, copy, sven):
    opened = session_of(sven).created_at
    for halves in range(1, 24):
        with travel(opened + halves * 30 * MINUTE, tick=False):
            assert is_in(browser)
    with travel(opened + timedelta(hours=12, seconds=-1), tick=False):
        assert is_in(copy)
    with travel(opened + timedelta(hours=12), tick=False):
        assert not is_in(copy)
        end_timed_out()
    assert session_of(sven).end_reason == EndReason.EXPIRED


def test_a_log_in_ends_after_an_hour_without_use(browser, copy, sven):
    opened = session_of(sven).created_at
    with travel(opened + 59 * MINUTE, tick=False):
        assert is_in(browser)
    with travel(opened + 59 * MINUTE + 59 * MINUTE, tick=False):
        assert is_in(browser)
    seen = session_of(sven).last_seen_at
    with travel(seen + 60 * MINUTE, tick=False):
        assert session_of(sven).refusal(timezone.now()) == Refusal.IDLE
        assert not is_in(copy)
        end_timed_out()
    assert session_of(sven).end_reason == EndReason.IDLE


def test_the_time_outs_are_settings_of_their_own(settings, sven):
    settings.STAFF_SESSION_LIFETIME, settings.STAFF_IDLE_TIMEOUT = timedelta(hours=2), timedelta(0)
    settings.SESSION_LIFETIME = settings.SESSION_IDLE_TIMEOUT = timedelta(minutes=5)
    browser = browser_of(sven)
    opened = session_of(sven).created_at
    with travel(opened + timedelta(hours=2, seconds=-1), tick=False):
        end_timed_out()
        assert is_in(browser)
    with travel(opened + timedelta(hours=2), tick=False):
        assert not is_in(browser)


def test_no_limit_of_sessions_for_users_ends_a_log_in_of_staff(settings, sven):
    settings.SESSIONS_PER_USER = 1
    first, second = browser_of(sven), browser_of(sven)
    assert (is_in(first), is_in(second)) == (True, True)
    App.objects.filter(kind=App.Kind.ADMIN).update(sessions_per_user=1)
    assert is_in(browser_of(sven))
    assert (is_in(first), is_in(second)) == (False, False)


def test_logging_out_twice_is_no_error(browser, copy):
    for each in (browser, copy):
        assert each.post("/admin/logout/").status_code in (200, 302)
    assert Session.objects.get().end_reason == EndReason.LOGOUT


def test_a_link_logs_nobody_out(browser):
    assert browser.get("/admin/logout/").status_code == 405
    assert is_in(browser)


# --- what works as a cookie ----------------------------------------------------------------------

# Tables whose rows are the same in each installation. Five of six texts are in them.
MADE_BY_MIGRATIONS = {"auth_permission", "auth_group_permissions", "django_content_type", "django_migrations"}


def test_nothing_in_the_database_works_as_a_cookie(browser, sven):
    phone = ZapPhone(InProcess(), device_token="push").sign_up("ann")
    browser.get(user_url(phone.user_id))
    texts = set()
    with connection.cursor() as cursor:
        tables = connection.introspection.table_names()
        assert "django_session" not in tables
        for table in {*tables} - MADE_BY_MIGRATIONS:
            cursor.execute(f'SELECT each.value FROM "{table}" t, jsonb_each_text(to_jsonb(t)) each')  # noqa: S608
            for (text,) in cursor:
                texts |= {text, *re.findall(r"[\w.:+/=$-]+", text)} if text else set()
    session = session_of(sven)
    assert {str(session.pk), sven.pk, sven.password} <= texts
    for text in texts:
        if ";" not in text and text.isprintable():
            assert not is_in(with_cookie(text)), text
    assert is_in(with_cookie(cookie_of(browser)))


def test_a_cookie_is_taken_as_we_signed_it_and_not_otherwise(browser):
    value = cookie_of(browser)
    data, moment, signature = value.split(":")
    for other in (data, f"{data}:{moment}", f"{data}x:{moment}:{signature}", f"{data}:{moment}x:{signature}", ""):
        assert not is_in(with_cookie(other))


def test_a_cookie_that_names_a_clients_session_opens_nothing(sven):
    phone = ZapPhone(InProcess())
    phone.log_in("sven")
    client = Client()
    # Signed with SECRET_KEY, as somebody who knows the key could do.
    cookie = client.session
    cookie["sid"] = str(Session.objects.get().pk)
    cookie.save()
    assert not is_in(with_cookie(cookie.session_key))


@pytest.mark.parametrize("sid", ["", "x", 7, None, [], {}, "0" * 32])
def test_a_cookie_of_ours_that_names_no_session_is_nobodys(db, sid):
    cookie = Client().session
    cookie["sid"] = sid
    cookie.save()
    assert not is_in(with_cookie(cookie.session_key))


def test_a_host_whose_clock_is_wrong_takes_the_cookie(browser, monkeypatch):
    real = timezone.now().timestamp()
    for hours in (-24, -1, 1, 24):
        monkeypatch.setattr("django.core.signing.time.time", lambda hours=hours: real + hours * 3600)
        assert is_in(browser), hours


# --- a session like any other --------------------------------------------------------------------


def test_it_is_listed_and_counted_like_any_other(browser, sven):
    session = session_of(sven)
    phone = ZapPhone(InProcess())
    phone.log_in("sven")
    listed = phone.ask("GET", f"/v1/users/{sven.pk}/sessions").json["data"]["sessionData"]
    assert str(session.pk) in {each["id"] for each in listed}
    assert session in browser.get(f"{LIST}?state=live&app={session.app_id}").context["cl"].result_list
    assert "Admin" in browser.get(user_url(sven.pk)).content.decode()
    assert str(session.pk) in manage("sessions --live --app Admin").out
    assert manage("sessions --live --count --user sven").out.split()[0] == "2"


def test_only_superusers_end_the_log_in_of_a_superuser(browser):
    boss = browser_of(new_staff(name="boss"))
    of_boss = Session.objects.get(user__username="boss")
    assert browser.post(f"{LIST}{of_boss.pk}/end/", {"note": "x"}).status_code == 403
    question = tick(browser_of(new_staff("Operators", name="olga")), "log_out", [str(of_boss.pk)])
    assert "no live session that you may end" in question.content.decode()
    assert is_in(boss)
    other = browser_of(new_staff(name="other"))
    other.post(f"{LIST}{of_boss.pk}/end/", {"note": "x"})
    assert (is_in(boss), is_in(other)) == (False, True)


OWN = 'id="this-browser"'


@pytest.mark.parametrize("across", [True, False])
def test_an_order_that_includes_the_own_browser_says_so_and_is_carried_out(db, across):
    boss, phone = new_staff(name="boss"), ZapPhone(InProcess()).sign_up()
    browser = browser_of(boss)
    ids = [str(pk) for pk in Session.objects.values_list("pk", flat=True)]
    assert OWN not in tick(browser, "log_out", [ids[0]]).content.decode()
    question = tick(browser, "log_out", ids, across=across)
    assert OWN in question.content.decode()
    page = confirm(browser, question, note="Incident")
    assert page.redirect_chain[-1][0].startswith("/admin/login/?next=/admin/user_sessions/bulkrun/")
    assert (is_in(browser), phone.me().status) == (False, 401)
    assert not Session.objects.filter(ended_at=None).exists()
    log_in(browser, boss)
    assert is_in(browser)


def test_ending_all_of_ones_own_sessions_logs_this_browser_out_too(browser, sven):
    url = user_url(sven.pk, "log_out")
    assert OWN in browser.get(url).content.decode()
    page = browser.post(url, {"note": ""}, follow=True)
    assert page.redirect_chain[-1][0].startswith("/admin/login/")


def test_staff_change_their_own_password_with_the_old_one_only(db):
    boss = new_staff(name="boss")
    browser = browser_of(boss)
    form = {"password1": NEW, "password2": NEW, "usable_password": "true"}
    assert browser.post(f"/admin/users/user/{boss.pk}/password/", form).status_code == 404
    assert User.objects.get(pk=boss.pk).check_password(PASSWORD)
    wrong = {"old_password": "wrong-pass-1", "new_password1": NEW, "new_password2": NEW}
    assert browser.post("/admin/password_change/", wrong).status_code == 200
    assert is_in(browser)
    assert Session.objects.get().ended_at is None
