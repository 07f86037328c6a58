"""The account page in a real browser without JavaScript: a life from the first log-in to the last logout."""

import re
import time

import pyotp
import pytest
from playwright.sync_api import Page, expect

from sessions.logout import end_sessions
from sessions.models import EndReason, Session
from tests.browser.admin import type_password, visiting
from tests.browser.chromium import CHROMIUM
from tests.phones import PASSWORD, Live, ZapPhone
from tests.sessions.staff import new_staff
from tests.threads import other_threads

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on the PATH"),
]
NEW = "another-pass-2"
PHONE = {"width": 390, "height": 844}


def log_in(page: Page, password: str = PASSWORD) -> None:
    page.goto("/account/")
    page.get_by_label("User name, email or phone number").fill("ann")
    page.get_by_label("Password").fill(password)
    page.keyboard.press("Enter")


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def test_people_see_and_end_their_sessions_and_change_how_they_log_in(server):
    phone, tablet = ZapPhone(Live(server.base_url)).sign_up("ann"), ZapPhone(Live(server.base_url))
    tablet.log_in("ann")
    with visiting(server.base_url, javascript=False) as page:
        page.set_viewport_size(PHONE)
        log_in(page, "wrong-pass-1")
        expect(page.get_by_role("alert")).to_contain_text("The name or the password is wrong")
        expect(page.get_by_role("alert")).to_be_focused()
        log_in(page)
        expect(page.get_by_role("heading", level=1)).to_have_text("Where you are logged in")
        expect(page.get_by_text("This browser")).to_have_count(1)

        # One session, and then all others. Their tokens are refused at once.
        ends = page.get_by_role("button", name=re.compile("^End the session"))
        expect(ends).to_have_count(2)
        ends.last.click()
        expect(page.get_by_role("status")).to_contain_text("The session is ended")
        expect(ends).to_have_count(1)
        assert (phone.me().status, tablet.me().status) == (401, 200)
        page.get_by_role("link", name="End all others").click()
        press(page, "End all others")
        expect(page.get_by_role("status")).to_contain_text("1 session ended")
        expect(page.get_by_text("You are logged in here, and nowhere else.")).to_be_visible()
        assert tablet.me().status == 401

        page.get_by_role("link", name="Password").click()
        page.get_by_label("Current password").fill(PASSWORD)
        page.get_by_label("New password", exact=True).fill(NEW)
        page.get_by_label("New password again").fill("another")
        press(page, "Change the password")
        page.get_by_role("link", name="New password again: The two new passwords differ.").click()
        expect(page.get_by_label("New password again")).to_be_focused()
        expect(page.get_by_label("New password again")).to_have_accessible_description("The two new passwords differ.")
        page.get_by_label("Current password").fill(PASSWORD)
        page.get_by_label("New password", exact=True).fill(NEW)
        page.get_by_label("New password again").fill(NEW)
        press(page, "Change the password")
        expect(page.get_by_role("status")).to_contain_text("Your password is changed")

        page.get_by_role("link", name="Second factor").click()
        press(page, "Show the QR code")
        app = pyotp.TOTP((page.locator("#secret").text_content() or "").replace(" ", ""))
        page.get_by_label("Code that your app shows now").fill(app.now())
        press(page, "Switch it on")
        expect(page.locator("#recovery-codes li")).to_have_count(10)
        page.get_by_role("link", name="I have kept them").click()
        press(page, "Log out")
        expect(page.get_by_role("status")).to_contain_text("You are logged out")

        log_in(page, NEW)
        # The code of now has been used for the set-up. The next one is accepted, too.
        page.get_by_label("Code from your authenticator app").fill(app.at(int(time.time()) + 30))
        page.keyboard.press("Enter")
        expect(page.get_by_text("Where you are logged in")).to_be_visible()
        page.get_by_role("link", name="History", exact=True).click()
        expect(page.get_by_text("The second factor was switched on")).to_be_visible()


def test_the_next_click_after_a_phone_has_ended_the_session_leads_to_the_log_in(server):
    phone = ZapPhone(Live(server.base_url)).sign_up("ann")
    with visiting(server.base_url, javascript=False) as page:
        assert page.context.browser
        other = page.context.browser.new_page(base_url=server.base_url, java_script_enabled=False)
        for each in (page, other):
            log_in(each)
            expect(each.get_by_text("Where you are logged in")).to_be_visible()
        ask = f"/v1/users/{phone.user_id}/sessions/logout"
        assert phone.ask("POST", ask, {"scope": "others"}).status == 200
        for each in (page, other, page, other):  # two workers answer
            each.goto("/account/history/")
            expect(each.get_by_role("heading", level=1)).to_have_text("Log in to your account")
        other.close()


def test_the_page_is_used_by_keyboard_and_fits_a_phone(server):
    ZapPhone(Live(server.base_url)).sign_up("ann")
    with visiting(server.base_url) as page:  # with scripts, it notes what the content policy blocks
        page.set_viewport_size({"width": 320, "height": 640})
        page.goto("/account/")
        page.keyboard.press("Tab")
        skip = page.get_by_role("link", name="Skip to the content")
        expect(skip).to_be_focused()
        expect(skip).to_be_in_viewport()
        log_in(page)
        expect(page.get_by_role("heading", level=1)).to_have_text("Where you are logged in")
        for path in ("", "history/", "password/", "email/", "second-factor/", "sessions/end-others/"):
            page.goto(f"/account/{path}")
            # Nothing is wider than the smallest phone, and everything that is pressed is 44 pixels high.
            box = page.locator("main").bounding_box()
            assert box is not None
            assert box["width"] <= 320
            for target in page.locator("main button, header a:not(.ac-skip), header button, input:visible").all():
                size = target.bounding_box()
                assert size is not None
                assert size["height"] >= 44
                assert size["x"] + size["width"] <= 320


def end_all_sessions() -> None:
    """End all sessions in another thread: Playwright's may not use the ORM."""
    with other_threads(1) as start:
        start(end_sessions, Session.objects.all(), actor=None, reason=EndReason.STAFF).result(timeout=30)


@pytest.mark.parametrize(("first", "link"), [("/account/", "/account/history/"), ("/admin/", "/admin/users/user/")])
def test_the_click_after_a_session_has_ended_leads_to_the_log_in_and_then_on(server, first, link):
    new_staff(name="boss")
    with visiting(server.base_url) as page:
        page.goto(first)
        type_password(page, "boss")
        page.wait_for_url(f"{server.base_url}{first}")
        end_all_sessions()
        page.locator(f'a[href="{link}"]').first.click()
        expect(page.get_by_role("button", name="Log in")).to_be_visible()
        type_password(page, "boss")
        page.wait_for_url(f"{server.base_url}{link}")
