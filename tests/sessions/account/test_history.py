"""The history of the user's own account."""

import pytest

from sessions.account import history
from sessions.models import Session
from tests.phones import InProcess, ZapPhone
from tests.sessions import staff
from tests.sessions.account.people import HOME, browser_of, text_of
from users.models import User
from users.origin import Origin
from users.record.events import Event
from users.record.writing import record

URL = f"{HOME}history/"


def test_the_history_tells_what_the_user_did_and_where(ann):
    browser = browser_of("ann")
    ann.log_out()
    text = text_of(browser.get(URL))
    assert "The account was created, from 127.0.0.1." in text
    assert "You logged in: Unknown device. ZAP · 127.0.0.1" in text
    assert "A session ended: Unknown device. ZAP · logged out by the user" in text


def test_people_are_not_told_which_member_of_staff_acted(ann):
    boss = staff.new_staff(name="boss")
    user, session = User.objects.get(username="ann"), Session.objects.get(user=ann.user_id)
    staff.browser_of(boss).post(staff.user_url(user.pk, "log_out"), {"note": "secret note"})
    record(Event.FACTOR_DISABLED, user=user, actor=boss, origin=Origin(ip="192.0.2.99"), note="secret note")
    text = text_of(browser_of("ann").get(URL))
    session.refresh_from_db()
    assert session.ended_at
    assert "ZAP · ended by our staff" in text
    assert "The second factor was switched off by our staff." in text
    assert not any(secret in text for secret in ("boss", "192.0.2.99", "secret note"))


def test_the_history_of_others_is_not_there(ann):
    ZapPhone(InProcess()).sign_up("ben")
    record(Event.LOGIN_REFUSED, user=User.objects.get(username="ben"), reason="wrong_password")
    assert "refused" not in text_of(browser_of("ann").get(URL))


def test_pages_follow_each_other_without_gaps(ann, monkeypatch):
    monkeypatch.setattr(history, "PER_PAGE", 3)
    user = User.objects.get(username="ann")
    for number in range(8):
        record(Event.USERNAME_CHANGED, user=user, actor=user, changed={"username": {"from": "ann", "to": f"a{number}"}})
    browser = browser_of("ann")
    page, seen = browser.get(URL), []
    while True:
        seen += [(line.at, line.text) for line in page.context["lines"]]
        if page.context["older"] is None:
            break
        assert len(page.context["lines"]) == 3
        page = browser.get(URL, {"older": str(page.context["older"])})
    assert seen == sorted(seen, key=lambda line: line[0], reverse=True)
    assert len(seen) == len(set(seen))
    assert len([text for _, text in seen if "user name was changed" in text]) == 8
    back = browser.get(URL, {"newer": str(page.context["newer"])})
    assert back.status_code in (200, 302)


EXTREME = [
    "0001-01-01T00:00:00+14:00_OPENED_01900000-0000-7000-8000-000000000000",
    "9999-12-31T23:59:59-14:00_ENDED_01900000-0000-7000-8000-000000000000",
]


@pytest.mark.parametrize("text", ["x", "1_2_3", "2026-01-01_RECORDED_x", "2026-01-01T00:00:00_OPENED_1", "a_b_c_d"])
@pytest.mark.parametrize("name", ["older", "newer"])
def test_a_position_that_is_none_leads_to_the_first_page(ann, name, text):
    assert browser_of("ann").get(URL, {name: text}).headers["Location"] == URL


def test_a_nul_in_an_address_is_not_found(ann):
    browser = browser_of("ann")
    assert browser.get(f"{URL}?older=%00").status_code == 404
    assert browser.get(f"{HOME}history/%00/").status_code == 404


@pytest.mark.parametrize("number", ["99999999999999999999", "-1", "0"])
def test_a_number_that_no_entry_has_is_no_error(ann, number):
    position = f"2026-01-01T00:00:00Z_RECORDED_{number}"
    assert browser_of("ann").get(URL, {"older": position}).status_code == 200


@pytest.mark.parametrize("position", EXTREME)
def test_a_time_at_the_end_of_all_times_is_no_error(ann, position):
    browser = browser_of("ann")
    for name in ("older", "newer"):
        assert browser.get(URL, {name: position}).status_code in (200, 302)
