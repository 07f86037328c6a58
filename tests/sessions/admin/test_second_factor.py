"""The second factor in the admin: the log-in's second step, set-up, and staff who must have one."""

import re
from datetime import timedelta

import pytest
from django.contrib import admin
from django.core import signing
from django.test import Client
from django.urls import URLPattern, URLResolver
from django.urls.resolvers import RegexPattern

from sessions.factor_gate import OPEN
from sessions.models import EndReason, Session
from sessions.second_step import GOOD_FOR, IN_ADMIN
from tests.bad_input import zap_error
from tests.commands.terminal import manage
from tests.phones import PASSWORD, InProcess, ZapPhone
from tests.second_factor import NO_RECOVERY_CODE, Authenticator, give_factor
from tests.sessions.staff import browser_of, is_in, new_staff, told, user_url
from users.models import SecondFactor, SecurityEvent, User
from users.second_factor.codes import PERIOD
from users.second_factor.enabling import disable as disable_factor_of
from users.second_factor.enabling import has_factor

COOKIE = IN_ADMIN.cookie
SECOND, STEP = timedelta(seconds=1), timedelta(seconds=PERIOD)
LOG_IN, CODE, SET_UP = "/admin/login/", "/admin/login/code/", "/admin/second-factor/"
CONFIRM, NEW_CODES, OFF = f"{SET_UP}confirm/", f"{SET_UP}recovery-codes/", f"{SET_UP}off/"


@pytest.fixture
def olga(clock):
    return new_staff("Operators", name="olga")


@pytest.fixture
def secured(olga):
    """Olga, her authenticator app and her recovery codes."""
    app, codes = give_factor(olga.pk)
    return User.objects.get(pk=olga.pk), app, codes


@pytest.fixture
def factor_needed(settings):
    settings.STAFF_SECOND_FACTOR = True


def type_password(name="olga", password=PASSWORD, *, then="/admin/", browser=None):
    """Return a browser that has sent the form of the log-in, and the answer."""
    browser = browser or Client()
    return browser, browser.post(LOG_IN, {"username": name, "password": password, "next": then})


def type_code(browser, code, *, then="/admin/"):
    return browser.post(f"{CODE}?next={then}", {"code": code})


def text_of(page):
    return page.content.decode()


def events(user):
    return list(SecurityEvent.objects.filter(user_id=user.pk).order_by("pk").values_list("event", flat=True))


# --- the second step of the log-in --------------------------------------------------------------


def test_the_right_password_leads_to_the_code_and_the_right_code_to_where_they_wanted_to_go(secured):
    _, app, _ = secured
    browser, answer = type_password(then="/admin/users/user/")
    assert answer.headers["location"] == f"{CODE}?next=%2Fadmin%2Fusers%2Fuser%2F"
    assert not Session.objects.exists()
    page = browser.get(answer.headers["location"])
    assert 'autocomplete="one-time-code"' in text_of(page)
    assert 'inputmode="numeric"' in text_of(page)
    answer = type_code(browser, app.code(), then="/admin/users/user/")
    assert (answer.status_code, answer.headers["location"]) == (302, "/admin/users/user/")
    assert is_in(browser)
    assert not browser.cookies[COOKIE].value


@pytest.mark.parametrize("form", ["{}{}{} {}{}{}", " {}{}{}{}{}{} ", "{}{}{}-{}{}{}"])
def test_a_code_may_be_pasted_as_an_app_shows_it(secured, form):
    _, app, _ = secured
    browser, _ = type_password()
    assert type_code(browser, form.format(*app.code())).status_code == 302
    assert is_in(browser)


def test_a_wrong_code_is_told_at_its_field_and_can_be_corrected(secured):
    _, app, _ = secured
    browser, _ = type_password()
    page = type_code(browser, app.wrong_code())
    assert "This code is wrong, used or too old" in text_of(page)
    assert 'aria-describedby="id_code_error"' in text_of(page)
    assert 'id="id_code_error"' in text_of(page)
    assert not is_in(browser)
    assert type_code(browser, app.code()).status_code == 302
    assert is_in(browser)


def test_a_code_lets_one_browser_in_once(secured, clock):
    _, app, _ = secured
    first, second = type_password()[0], type_password()[0]
    assert type_code(first, app.code()).status_code == 302
    assert type_code(second, app.code()).status_code == 200
    assert (is_in(first), is_in(second)) == (True, False)
    clock.shift(STEP)
    assert type_code(second, app.code()).status_code == 302


def test_wrong_codes_count_as_failed_log_ins(secured, settings):
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"login": (3, 900)}
    _, app, _ = secured
    browser, _ = type_password()
    for _ in range(3):
        type_code(browser, app.wrong_code())
    page = type_code(browser, app.code())
    assert "Too many attempts. Try again in 15 min." in text_of(page)
    assert not is_in(browser)
    # The password alone is no longer checked, either.
    assert "enter the correct username and password" in text_of(type_password()[1]).lower()


def test_a_recovery_code_lets_in_once_and_the_user_is_told_by_mail_and_in_the_admin(
    secured, mailoutbox, django_capture_on_commit_callbacks
):
    olga, _, codes = secured
    User.objects.filter(pk=olga.pk).update(email="olga@example.org")
    browser, _ = type_password()
    assert "Recovery code" in text_of(browser.get(f"{CODE}?next=/admin/&recovery=1"))
    with django_capture_on_commit_callbacks(execute=True):
        page = browser.post(f"{CODE}?next=/admin/&recovery=1", {"code": codes[0].upper()}, follow=True)
    assert "You have 9 recovery codes left" in told(page)
    assert "recovery_code_used" in events(olga)
    assert [mail.to for mail in mailoutbox] == [["olga@example.org"]]
    again, _ = type_password()
    assert type_code(again, codes[0]).status_code == type_code(again, NO_RECOVERY_CODE).status_code == 200
    assert not is_in(again)


def test_who_has_no_second_factor_is_not_asked_for_a_code(olga):
    browser, answer = type_password()
    assert answer.headers["location"] == "/admin/"
    assert COOKIE not in browser.cookies
    assert is_in(browser)


def test_a_wrong_password_never_reaches_the_code(secured):
    for name, password in (("olga", "wrong-pass-1"), ("nobody", PASSWORD)):
        browser, answer = type_password(name, password)
        assert answer.status_code == 200
        assert COOKIE not in browser.cookies


def test_a_user_who_is_not_staff_is_refused_in_the_same_words_with_and_without_a_factor(clock):
    ann, ben = (User.objects.create_user(name, PASSWORD) for name in ("ann", "ben"))
    give_factor(ann.pk)
    pages = [type_password(user.username) for user in (ann, ben)]
    assert [answer.status_code for _, answer in pages] == [200, 200]
    assert COOKIE not in pages[0][0].cookies
    first, second = (re.sub(r'value="[^"]*"', "", text_of(answer)) for _, answer in pages)
    assert first == second


def test_a_foreign_address_is_not_where_the_log_in_ends(secured):
    _, app, _ = secured
    browser, answer = type_password(then="https://evil.example/")
    assert answer.headers["location"] == f"{CODE}?next=%2Fadmin%2F"
    assert type_code(browser, app.code(), then="//evil.example/").headers["location"] == "/admin/"


# --- the state between the steps ----------------------------------------------------------------


def test_the_cookie_between_the_steps_opens_no_page_and_no_script_reads_it(secured, settings):
    settings.SESSION_COOKIE_SECURE = True
    browser, _ = type_password()
    assert not is_in(browser)
    cookie = browser.cookies[COOKIE]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"], cookie["secure"]) == (True, "Strict", LOG_IN, True)
    thief = Client()
    thief.cookies[settings.SESSION_COOKIE_NAME] = cookie.value
    assert not is_in(thief)


def test_a_cookie_of_a_session_is_not_taken_between_the_steps(secured, settings):
    _, app, _ = secured
    browser, _ = type_password()
    type_code(browser, app.code())
    thief = Client()
    thief.cookies[COOKIE] = browser.cookies[settings.SESSION_COOKIE_NAME].value
    assert thief.get(CODE).headers["location"].startswith(LOG_IN)


@pytest.mark.parametrize(
    "value",
    ["", "x", signing.dumps(["0" * 24, 0.0, []]), signing.dumps({})],
    ids=["nothing", "a text", "signed for another purpose", "signed, and empty"],
)
def test_without_the_cookie_that_we_signed_for_it_the_log_in_starts_again(secured, value):
    browser = Client()
    browser.cookies[COOKIE] = value
    for answer in (browser.get(CODE), type_code(browser, secured[1].code())):
        assert answer.headers["location"] == f"{LOG_IN}?next=%2Fadmin%2F"
    assert not is_in(browser)


def test_it_expires_after_ten_minutes(secured, clock):
    _, app, _ = secured
    browser, _ = type_password()
    clock.shift(GOOD_FOR)
    assert browser.get(CODE).status_code == 200
    clock.shift(SECOND)
    page = browser.post(f"{CODE}?next=/admin/", {"code": app.code()}, follow=True)
    assert "Log in again" in text_of(page)
    assert not is_in(browser)


def change_password(olga):
    olga.set_password("another-pass-2")
    olga.save()


def log_out_everywhere(olga):
    assert manage("logout --user olga").code == 0


def switch_off_by_command(olga):
    assert manage("secondfactor off --user olga --end-sessions").code == 0


@pytest.mark.parametrize(
    "change",
    [
        change_password,
        log_out_everywhere,
        switch_off_by_command,
        lambda olga: User.objects.filter(pk=olga.pk).update(is_active=False),
        lambda olga: User.objects.filter(pk=olga.pk).update(is_staff=False),
        lambda olga: User.objects.filter(pk=olga.pk).update(deleted_at="2026-03-01T12:00:00Z"),
        lambda olga: disable_factor_of(olga) and give_factor(olga.pk),
    ],
    ids=["password", "log-out", "command", "disabled", "no staff", "deleted", "another factor"],
)
def test_it_is_worth_nothing_after_a_change_of(secured, clock, change):
    olga, app, codes = secured
    other, _ = type_password()
    type_code(other, codes[0])  # so that there is a session to end
    browser, _ = type_password()
    clock.shift(SECOND)
    change(olga)
    assert type_code(browser, app.code()).headers["location"].startswith(LOG_IN)
    assert not is_in(browser)


# --- set-up -------------------------------------------------------------------------------------


def begin(browser, **typed):
    """Make a secret in that browser. Returns the authenticator app that has it."""
    answer = browser.post(SET_UP, typed)
    assert (answer.status_code, answer.headers["location"]) == (302, CONFIRM)
    secret = re.search(r'id="secret">([A-Z2-7 ]+)<', text_of(browser.get(CONFIRM)))
    return Authenticator(secret[1].replace(" ", ""))


def codes_on(page):
    return re.findall(r"<li>([0-9a-z-]{29})</li>", text_of(page))


def test_staff_set_up_a_factor_and_it_is_on_record_and_in_a_mail(olga, mailoutbox, django_capture_on_commit_callbacks):
    User.objects.filter(pk=olga.pk).update(email="olga@example.org")
    browser = browser_of(olga)
    assert SET_UP in text_of(browser.get("/admin/"))  # the link in the account's menu
    app = begin(browser)
    assert 'src="data:image/png;base64,' in text_of(browser.get(CONFIRM))
    assert "This code does not fit" in text_of(browser.post(CONFIRM, {"code": app.wrong_code()}))
    with django_capture_on_commit_callbacks(execute=True):
        page = browser.post(CONFIRM, {"code": app.code()})
    assert len(codes_on(page)) == 10
    assert "no-store" in page.headers["cache-control"]
    # They are shown once. The secret is not shown again, either.
    for url in (SET_UP, CONFIRM, NEW_CODES):
        assert not codes_on(browser.get(url, follow=True))
    assert browser.get(CONFIRM).headers["location"] == SET_UP
    assert events(olga).count("factor_enabled") == 1
    assert [mail.to for mail in mailoutbox] == [["olga@example.org"]]


def test_looking_at_the_page_makes_no_secret(olga):
    browser = browser_of(olga)
    browser.get(SET_UP)
    assert browser.get(CONFIRM).headers["location"] == SET_UP
    assert not SecondFactor.objects.exists()


def test_a_stolen_cookie_makes_and_shows_no_secret_after_the_window(olga, clock, settings):
    browser = browser_of(olga)
    app = begin(browser)
    clock.shift(settings.REAUTHENTICATION_WINDOW + SECOND)
    assert browser.get(CONFIRM).headers["location"] == SET_UP
    assert browser.post(CONFIRM, {"code": app.code()}).headers["location"] == SET_UP
    assert "Your password" in text_of(browser.post(SET_UP))
    assert "This is not your password." in text_of(browser.post(SET_UP, {"proof": "wrong-pass-1"}))
    assert app.totp.secret != begin(browser, proof=PASSWORD).totp.secret


def test_a_short_window_leaves_enough_time_for_the_set_up(olga, clock, settings):
    settings.REAUTHENTICATION_WINDOW = SECOND
    browser = browser_of(olga)
    clock.shift(STEP)
    app = begin(browser, proof=PASSWORD)
    clock.shift(STEP)
    assert len(codes_on(browser.post(CONFIRM, {"code": app.code()}))) == 10


def test_other_devices_are_logged_out_with_the_set_up_if_they_want_that(olga):
    browser, other, phone = browser_of(olga), browser_of(olga), ZapPhone(InProcess())
    phone.log_in("olga")
    browser.post(CONFIRM, {"code": begin(browser).code(), "end_others": "on"})
    assert (is_in(browser), is_in(other), phone.me().status) == (True, False, 401)


@pytest.mark.parametrize("needed", [True, False])
def test_sessions_of_the_admin_that_a_password_alone_opened_end_with_the_set_up(olga, settings, needed):
    browser, thief, phone = browser_of(olga), browser_of(olga), ZapPhone(InProcess())
    phone.log_in("olga")
    settings.STAFF_SECOND_FACTOR = needed
    browser.post(CONFIRM, {"code": begin(browser).code()})
    assert (is_in(browser), is_in(thief), phone.me().status) == (True, False, 200)


def test_new_recovery_codes_take_the_place_of_the_old_ones(secured, clock, settings):
    olga, app, old = secured
    browser, _ = type_password()
    type_code(browser, app.code())
    assert "Recovery codes left" in text_of(browser.get(SET_UP))
    clock.shift(settings.REAUTHENTICATION_WINDOW + SECOND)
    assert not codes_on(browser.post(NEW_CODES))
    new = codes_on(browser.post(NEW_CODES, {"proof": app.code()}))
    assert len(new) == 10
    assert "recovery_codes_made" in events(olga)
    again, _ = type_password()
    assert type_code(again, old[0]).status_code == 200
    assert type_code(again, new[0]).status_code == 302


def test_staff_switch_their_factor_off_with_their_password(secured):
    olga, app, _ = secured
    browser, _ = type_password()
    type_code(browser, app.code())
    for typed in ({}, {"password": "wrong-pass-1"}, {"password": app.code()}):
        assert browser.post(OFF, typed).status_code == 200
    assert "This is not your password." in text_of(browser.post(OFF, {"password": "wrong-pass-1"}))
    olga.refresh_from_db()
    assert has_factor(olga)
    assert "is off" in told(browser.post(OFF, {"password": PASSWORD}, follow=True))
    assert events(olga).count("factor_disabled") == 1
    assert type_password()[1].headers["location"] == "/admin/"


@pytest.mark.usefixtures("factor_needed")
def test_staff_who_need_a_factor_switch_it_off_neither_in_the_admin_nor_by_the_api(secured, clock):
    olga, app, _ = secured
    browser, _ = type_password()
    type_code(browser, app.code())
    assert OFF not in text_of(browser.get(SET_UP))
    assert "You can't switch it off" in text_of(browser.post(OFF, {"password": PASSWORD}))
    clock.shift(STEP)
    phone = ZapPhone(InProcess())
    body = {"identity": "olga", "password": PASSWORD, "twoFaToken": app.code()}
    phone.access_token = phone.call("POST", "/v1/login", body).json["data"]["token"]
    refused = phone.ask("POST", f"/v1/users/{olga.pk}/disable2fa", {"password": PASSWORD})
    assert zap_error(refused) == (403, "two_factor_needed")
    olga.refresh_from_db()
    assert has_factor(olga)


# --- staff who must have one --------------------------------------------------------------------

SAMPLES = {"str": "x", "path": "x", "int": "1", "uuid": "01a20084-11c2-7624-93de-97ec03ee66ec"}
GROUPS = {"app_label": "users", "url": "nothing/"}


def addresses(patterns, before=""):
    """Yield an address for each page of the admin, with the name of its URL."""
    for each in patterns:
        text = str(each.pattern)
        if isinstance(each.pattern, RegexPattern):
            text = re.sub(r"\(\?P<(\w+)>.*\)", lambda found: GROUPS[found[1]], text).strip("^$")
        else:
            text = re.sub(r"<(?:(\w+):)?\w+>", lambda found: SAMPLES[found[1] or "str"], text)
        if isinstance(each, URLResolver):
            yield from addresses(each.url_patterns, before + text)
        else:
            assert isinstance(each, URLPattern)
            assert not set("<>()?*") & set(text)
            yield before + text, f"admin:{each.name}"


EVERY_PAGE = list(addresses(admin.site.get_urls(), "/admin/"))


def test_every_page_is_walked():
    names = {name for _, name in EVERY_PAGE}
    assert {
        f"admin:{name}" for name in ("login", "login_code", "logout", "second_factor", "second_factor_confirm")
    } == OPEN
    assert len(EVERY_PAGE) > 60
    assert names > OPEN
    assert {"admin:search", "admin:autocomplete", "admin:jsi18n", "admin:users_user_disable", "admin:None"} < names


@pytest.mark.usefixtures("factor_needed")
def test_staff_without_a_factor_get_no_page_but_the_set_up(clock):
    browser = browser_of(new_staff(name="boss"))
    opened = set()
    for address, name in EVERY_PAGE:
        for method in (browser.get, browser.head):
            answer = method(address)
            if answer.headers.get("location", "").startswith(f"{SET_UP}?next="):
                assert answer.status_code == 302
            else:
                opened.add(name)
        if name not in OPEN:
            for method in (browser.post, browser.put, browser.delete):
                assert method(address, {"note": "x"}).status_code == 403, address
    assert opened == OPEN
    assert browser.get("/admin/nothing").headers["location"] == f"{SET_UP}?next=%2Fadmin%2Fnothing"


@pytest.mark.usefixtures("factor_needed")
def test_a_first_log_in_leads_over_the_set_up_to_where_they_wanted_to_go(clock):
    new_staff(name="boss")
    browser, answer = type_password("boss", then="/admin/users/user/")
    there = browser.get(answer.headers["location"]).headers["location"]
    page = browser.get(there)
    assert "Staff need a second factor here" in text_of(page)
    assert "Sessions" not in text_of(page)  # the sidebar would lead nowhere
    confirm = browser.post(there).headers["location"]
    secret = re.search(r'id="secret">([A-Z2-7 ]+)<', text_of(browser.get(confirm)))
    page = browser.post(confirm, {"code": Authenticator(secret[1].replace(" ", "")).code()})
    assert len(codes_on(page)) == 10
    assert 'href="/admin/users/user/"' in text_of(page)
    assert browser.get("/admin/users/user/").status_code == 200


@pytest.mark.usefixtures("factor_needed")
def test_staff_with_a_factor_and_strangers_meet_no_further_page(secured):
    _, app, _ = secured
    browser, _ = type_password()
    assert browser.get("/admin/users/user/").headers["location"].startswith(LOG_IN)
    type_code(browser, app.code())
    assert browser.get("/admin/users/user/").status_code == 200


@pytest.mark.usefixtures("factor_needed")
def test_staff_whose_factor_is_switched_off_meanwhile_set_it_up_again(secured):
    olga, app, _ = secured
    browser, _ = type_password()
    type_code(browser, app.code())
    assert manage("secondfactor off --user olga").code == 0
    assert browser.get(user_url(olga.pk)).headers["location"].startswith(SET_UP)


@pytest.mark.usefixtures("factor_needed")
def test_users_who_are_not_staff_need_no_factor(clock):
    assert ZapPhone(InProcess()).sign_up("ann").me().status == 200


def test_without_the_setting_staff_choose_for_themselves(olga):
    browser = browser_of(olga)
    assert browser.get("/admin/users/user/").status_code == 200
    assert Session.objects.get().end_reason != EndReason.SUPERSEDED


# --- log-ins that work never add up ---------------------------------------------------------------


def test_log_ins_without_a_factor_never_add_up(olga, settings):
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"login": (3, 900), "login_known": (3, 900)}
    for _ in range(8):
        browser, _ = type_password()
        assert is_in(browser)


def test_a_log_in_with_a_code_forgets_earlier_typing_errors(secured, clock, settings):
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"login": (5, 900), "login_known": (5, 900)}
    _, app, _ = secured
    for _ in range(5):
        type_password(password="wrong-pass-1")
        browser, _ = type_password()
        assert type_code(browser, app.code()).status_code == 302
        assert is_in(browser)
        clock.shift(timedelta(seconds=31))


def test_the_right_password_of_a_user_who_is_not_staff_is_recorded(clock):
    user = User.objects.create_user("ben", PASSWORD)
    type_password("ben")
    assert events(user)[-1] == "login_refused"
