"""The first page of the account: where people are logged in. They end one session, or all others."""

from uuid import uuid4

import pytest
from django.test import Client

from sessions.account.home import MOST_SHOWN
from sessions.models import EndReason, Session
from tests.phones import PASSWORD, BuddyPhone, InProcess, ZapPhone, pushes_of
from tests.second_factor import give_factor
from tests.sessions import staff
from tests.sessions.account.people import (
    FIREFOX,
    HOME,
    LOG_IN,
    browser_of,
    is_in,
    leave_for_an_hour,
    live,
    session_of,
    text_of,
    user,
)
from users.clients import get_zap_app
from users.clock import database_now

OTHERS = f"{HOME}sessions/end-others/"


@pytest.fixture
def ann(db):
    return ZapPhone(InProcess(), device_token="push").sign_up("ann")


def end_url(session_id: object) -> str:
    return f"{HOME}sessions/{session_id}/end/"


def phone_session() -> Session:
    return next(session for session in live("ann") if session.app.name == "ZAP")


def test_the_page_marks_this_browser_and_names_the_others(browser, ann):
    Session.objects.filter(app__name="ZAP").update(
        user_agent="Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:139.0) Gecko/20100101 Firefox/139.0",
        city="Berlin",
        country_name="Germany",
        judgement="new_country",
        ip="192.0.2.7",
    )
    page = browser.get(HOME)
    text = text_of(page)
    assert "You are logged in here and in 1 other place." in text
    assert "Firefox 140 on Linux This browser" in text
    assert "Firefox 139 on Windows" in text
    assert "Unusual place" in text
    assert "ZAP · Berlin, Germany, 192.0.2.7" in text
    assert "You had not logged in from this country before." in text
    assert text.count("This browser") == 1


def test_the_page_shows_no_session_of_others_and_none_that_has_ended(browser, ann):
    ZapPhone(InProcess()).sign_up("ben")
    ann.log_out()
    assert "You are logged in here, and nowhere else." in text_of(browser.get(HOME))


def test_what_a_client_sends_is_text_on_the_page(ann):
    browser = Client(headers={"user-agent": "<script>alert(1)</script>"})
    browser.post(LOG_IN, {"username": "ann", "password": PASSWORD})
    Session.objects.filter(app__name="ZAP").update(user_agent="<img src=x>", platform="<b>Android</b>", city="<i>x</i>")
    page = browser.get(HOME).content.decode()
    assert not any(tag in page for tag in ("<script", "<img", "<b>", "<i>"))


def test_at_most_fifty_others_are_shown_and_the_rest_is_counted(browser, ann):
    app, now = get_zap_app(), database_now()
    facts = {"app": app, "user": user("ann"), "created_at": now, "last_seen_at": now}
    more = [Session(**facts, expires_at=now.replace(year=now.year + 1)) for _ in range(MOST_SHOWN + 2)]
    Session.objects.bulk_create(more)
    text = text_of(browser.get(HOME))
    assert f"in {MOST_SHOWN + 3} other places" in text
    assert "And 3 more, which you used longer ago." in text
    assert browser.get(HOME).content.decode().count(">End</button>") == MOST_SHOWN


def test_the_page_costs_few_statements_however_many_sessions_there_are(browser, ann, django_assert_max_num_queries):
    for _ in range(3):
        ZapPhone(InProcess()).log_in("ann")
    with django_assert_max_num_queries(9):
        browser.get(HOME)


def test_ending_one_session_refuses_its_token_and_takes_its_pushes(browser, ann):
    page = browser.post(end_url(phone_session().pk), follow=True)
    assert "The session is ended: Unknown device." in text_of(page)
    assert ann.me().status == 401
    assert ann.refresh().status == 401
    session = Session.objects.get(app__name="ZAP")
    assert (session.end_reason, session.ended_by) == (EndReason.LOGOUT, user("ann"))
    assert pushes_of(ann.user_id) == []
    assert is_in(browser)


def test_an_old_log_in_has_to_give_the_password_before_it_ends_a_session(browser, ann):
    meant = phone_session().pk
    leave_for_an_hour("ann")
    asked = browser.post(end_url(meant))
    assert "Your password" in text_of(asked)
    assert "That did not work" not in text_of(asked)
    assert ann.me().status == 200
    wrong = browser.post(end_url(meant), {"proof": "wrong-pass-1"})
    assert "This is not your password." in text_of(wrong)
    assert "This field is required" in text_of(browser.post(end_url(meant), {"proof": ""}))
    assert ann.me().status == 200
    browser.post(end_url(meant), {"proof": PASSWORD})
    assert ann.me().status == 401
    # The proof counts for the next acts, too.
    assert "Your password" not in text_of(browser.get(OTHERS))


def test_a_code_of_the_app_is_a_proof_as_well(ann):
    app, _ = give_factor(ann.user_id)
    browser = Client()
    browser.post(LOG_IN, {"username": "ann", "password": PASSWORD})
    browser.post("/account/login/code/", {"code": app.code()})
    leave_for_an_hour("ann")
    meant = phone_session().pk
    assert "Your password, or a code from your app" in text_of(browser.get(end_url(meant)))
    assert browser.post(end_url(meant), {"proof": app.code(step=1)}).status_code == 302
    assert ann.me().status == 401


def test_wrong_passwords_count_as_failed_log_ins(browser, ann, settings):
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"login_known": (2, 900)}
    leave_for_an_hour("ann")
    for _ in range(2):
        browser.post(OTHERS, {"proof": "wrong-pass-1"})
    assert "Too many attempts" in text_of(browser.post(OTHERS, {"proof": PASSWORD}))
    assert ann.me().status == 200


def test_a_get_ends_nothing(browser, ann):
    assert "End this session?" in text_of(browser.get(end_url(phone_session().pk)))
    assert "End all other sessions?" in text_of(browser.get(OTHERS))
    assert len(live("ann")) == 2


def test_nobody_ends_or_sees_somebody_elses_session(browser, ann):
    ben = ZapPhone(InProcess()).sign_up("ben")
    (of_ben,) = live("ben")
    app_level = BuddyPhone(InProcess())
    app_level.register_device()
    without_user = Session.objects.get(user=None)
    for session_id in (of_ben.pk, without_user.pk, uuid4()):
        for answer in (browser.get(end_url(session_id)), browser.post(end_url(session_id))):
            assert (answer.status_code, "There is no such page" in text_of(answer)) == (404, True)
    assert browser.get(f"{HOME}sessions/abc/end/").status_code == 404
    assert ben.me().status == 200


def test_staff_do_not_end_sessions_of_others_here(ann):
    boss = staff.new_staff(name="boss")
    assert browser_of(boss.username).post(end_url(phone_session().pk)).status_code == 404
    assert ann.me().status == 200


def test_the_session_of_this_browser_is_not_ended_by_its_id(browser):
    assert browser.post(end_url(session_of("ann").pk)).status_code == 404
    assert is_in(browser)


def test_a_session_that_has_ended_meanwhile_is_no_error(browser, ann):
    meant = phone_session().pk
    ann.log_out()
    page = browser.post(end_url(meant), follow=True)
    assert "This session has ended already." in text_of(page)
    session = Session.objects.get(pk=meant)
    assert session.ended_ip == "127.0.0.1"


def test_ending_all_others_leaves_this_browser_and_other_people(browser, ann):
    ben, second = ZapPhone(InProcess()).sign_up("ben"), browser_of("ann")
    tablet = ZapPhone(InProcess())
    tablet.log_in("ann")
    assert "3 sessions end at once." in text_of(browser.get(OTHERS))
    page = browser.post(OTHERS, follow=True)
    assert "3 sessions ended. You are logged in here only." in text_of(page)
    assert (ann.me().status, tablet.me().status, is_in(second)) == (401, 401, False)
    assert (is_in(browser), ben.me().status) == (True, 200)
    assert "0 sessions ended" in text_of(browser.post(OTHERS, follow=True))


def test_the_latest_events_are_on_the_page(browser, ann):
    text = text_of(browser.get(HOME))
    assert "What happened lately" in text
    assert "You logged in: Firefox 140 on Linux." in text


def test_another_browser_with_another_agent_is_not_marked(ann):
    first, second = browser_of("ann"), browser_of("ann")
    page = text_of(first.get(HOME))
    assert page.count("This browser") == 1
    assert page.count(FIREFOX) == 0
    assert is_in(second)
