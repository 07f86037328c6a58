"""People set up and manage their own second factor on the account page."""

import re
from datetime import timedelta

import pytest
from django.test import Client

from sessions.models import EndReason, Session
from tests.phones import PASSWORD
from tests.second_factor import Authenticator, give_factor, log_in_with
from tests.sessions import staff
from tests.sessions.account.people import HOME, browser_of, is_in, leave_for_an_hour, log_in, text_of, user
from users.clock import database_now
from users.second_factor.enabling import has_factor

URL = f"{HOME}second-factor/"
CONFIRM, CODES, OFF = f"{URL}confirm/", f"{URL}recovery-codes/", f"{URL}off/"


def begin(browser: Client) -> Authenticator:
    """Ask for a secret, and put it into an app."""
    assert browser.post(URL).headers["Location"] == CONFIRM
    found = re.search(r'id="secret">([^<]*)<', browser.get(CONFIRM).content.decode())
    assert found
    return Authenticator(found[1].replace(" ", ""))


def codes_on(page) -> list[str]:
    return re.findall(r"<li>([\w-]{20,})</li>", page.content.decode())


def test_a_factor_is_set_up_with_a_picture_and_a_code(browser, ann):
    app = begin(browser)
    assert 'src="data:image/' in browser.get(CONFIRM).content.decode()
    assert "This code does not fit" in text_of(browser.post(CONFIRM, {"code": app.wrong_code()}))
    assert not has_factor(user("ann"))
    page = browser.post(CONFIRM, {"code": app.code()})
    assert len(codes_on(page)) == 10
    assert has_factor(user("ann"))
    assert "Recovery codes left 10" in text_of(browser.get(URL))
    assert log_in_with(ann, PASSWORD).status == 401
    assert log_in_with(ann, PASSWORD, app.code(step=1)).status == 200
    assert browser.get(CONFIRM).headers["Location"] == URL


def test_other_sessions_on_our_pages_end_and_phones_go_on(browser, ann):
    other = browser_of("ann")
    browser.post(CONFIRM, {"code": begin(browser).code()})
    assert (is_in(browser), is_in(other), ann.me().status) == (True, False, 200)
    assert Session.objects.exclude(ended_at=None).get().end_reason == EndReason.SUPERSEDED


def test_all_other_sessions_end_if_the_user_wants_that(browser, ann):
    browser.post(CONFIRM, {"code": begin(browser).code(), "end_others": "on"})
    assert (is_in(browser), ann.me().status) == (True, 401)


def test_an_old_log_in_has_to_give_the_password_for_a_secret(browser, ann):
    leave_for_an_hour("ann")
    assert "Your password" in text_of(browser.get(URL))
    assert "This field is required" in text_of(browser.post(URL))
    assert browser.get(CONFIRM).headers["Location"] == URL
    assert browser.post(URL, {"proof": PASSWORD}).headers["Location"] == CONFIRM


def test_new_recovery_codes_replace_the_earlier_ones(ann):
    app, old = give_factor(ann.user_id)
    browser = Client()
    log_in(browser, "ann")
    browser.post("/account/login/code/", {"code": app.code()})
    assert "Make new recovery codes?" in text_of(browser.get(CODES))
    new = codes_on(browser.post(CODES))
    assert (len(new), set(new) & set(old)) == (10, set())
    assert log_in_with(ann, PASSWORD, old[0]).status == 401
    assert log_in_with(ann, PASSWORD, new[0]).status == 200


def test_switching_off_needs_the_password_and_is_asked_first(ann):
    app, _ = give_factor(ann.user_id)
    browser = Client()
    log_in(browser, "ann")
    browser.post("/account/login/code/", {"code": app.code()})
    assert "Switch your second factor off?" in text_of(browser.get(OFF))
    assert "This is not your password" in text_of(browser.post(OFF, {"password": "wrong-pass-1"}))
    assert has_factor(user("ann"))
    done = browser.post(OFF, {"password": PASSWORD, "end_others": "on"}, follow=True)
    assert "Your second factor is off" in text_of(done)
    assert (has_factor(user("ann")), ann.me().status, is_in(browser)) == (False, 401, True)


@pytest.mark.parametrize("url", [CODES, OFF])
def test_without_a_factor_the_other_pages_lead_to_the_first(browser, url):
    assert browser.get(url).headers["Location"] == URL
    assert browser.post(url, {"password": PASSWORD}).headers["Location"] == URL


def test_staff_who_need_a_factor_do_not_switch_it_off_here(db, settings):
    settings.STAFF_SECOND_FACTOR = True
    boss = staff.new_staff(name="boss")
    app, _ = give_factor(boss.pk)
    browser = Client()
    log_in(browser, "boss")
    browser.post("/account/login/code/", {"code": app.code()})
    assert "you can't switch it off" in text_of(browser.get(URL))
    browser.post(OFF, {"password": PASSWORD})
    assert has_factor(user("boss"))


@pytest.mark.parametrize("there", ["https://evil.example/", "//evil.example/", "/admin/"])
def test_the_codes_lead_to_no_other_place(browser, there):
    app = begin(browser)
    page = browser.post(f"{CONFIRM}?next={there}", {"code": app.code()})
    assert page.context["next"] == HOME


def test_too_many_wrong_codes_are_refused(browser, settings):
    app = begin(browser)
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"login_known": (1, 900)}
    browser.post(CONFIRM, {"code": app.wrong_code()})
    assert "Too many attempts" in text_of(browser.post(CONFIRM, {"code": app.code()}))


def test_a_secret_that_was_left_for_long_is_not_shown_again(browser):
    begin(browser)
    Session.objects.update(authenticated_at=database_now() - timedelta(minutes=11))
    assert browser.get(CONFIRM).headers["Location"] == URL
