"""The second factor of staff in a real browser: set-up, log-in with a code, a lost phone, and acts that ask again."""

import time
from datetime import timedelta

import pyotp
import pytest
from playwright.sync_api import Page, expect

from sessions.management.demo_data import make_sessions, make_users
from sessions.models import Session
from tests.browser.admin import type_password, visiting
from tests.browser.chromium import CHROMIUM
from tests.second_factor import give_factor
from tests.servers import running_server
from tests.sessions.staff import new_staff
from users.clock import database_now
from users.models import App, User

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on the PATH"),
]


@pytest.fixture(scope="module")
def _admin(django_db_setup, django_db_blocker):
    chosen = {"STAFF_SECOND_FACTOR": "on", "BULK_CONFIRM_OVER": "20", "WORKERS": "1"}
    with django_db_blocker.unblock(), running_server(**chosen) as started:
        yield started


@pytest.fixture
def admin(_admin, transactional_db):
    """The URL of a server on which staff need a second factor. The database is emptied after each test."""
    return _admin.base_url


def log_out(page: Page) -> None:
    page.get_by_text("olga").first.click()
    page.locator("#logout-form button").click()
    expect(page.get_by_text("You have been successfully logged out")).to_be_visible()


def test_a_member_of_staff_sets_up_a_factor_and_logs_in_with_a_code_and_with_a_recovery_code(admin):
    new_staff("Operators", name="olga")
    with visiting(admin) as page:
        page.goto("/admin/users/user/")
        type_password(page, "olga")
        # The first log-in ends on the page that sets the factor up, and every other page leads back to it.
        expect(page.get_by_text("Staff need a second factor here")).to_be_visible()
        page.goto("/admin/user_sessions/session/")
        expect(page.get_by_text("Staff need a second factor here")).to_be_visible()
        page.get_by_role("button", name="Show the QR code").click()
        picture = page.get_by_alt_text("QR code for your authenticator app")
        assert picture.evaluate("picture => picture.complete && picture.naturalWidth") > 150
        app = pyotp.TOTP((page.locator("#secret").text_content() or "").replace(" ", ""))
        field = page.get_by_label("Code that your app shows now")
        expect(field).to_be_focused()
        field.fill("000 000" if app.now() != "000000" else "111 111")
        page.get_by_role("button", name="Switch it on").click()
        expect(page.get_by_role("alert")).to_contain_text("This code does not fit")
        expect(field).to_have_accessible_description("This code does not fit. Type the one that your app shows now.")
        field.fill(f"{app.now()[:3]} {app.now()[3:]}")
        page.get_by_role("button", name="Switch it on").click()
        codes = page.locator("#recovery-codes li").all_text_contents()
        assert len(codes) == 10
        page.get_by_role("link", name="I have kept them").click()
        page.wait_for_url(f"{admin}/admin/user_sessions/session/")
        log_out(page)

        page.goto("/admin/users/user/")
        type_password(page, "olga")
        field = page.get_by_label("Code from your authenticator app")
        expect(field).to_be_focused()
        # The code of now has been used for the set-up. The next one is accepted, too.
        page.keyboard.type(app.at(int(time.time()) + 30))
        page.keyboard.press("Enter")
        page.wait_for_url(f"{admin}/admin/users/user/")
        log_out(page)

        page.goto("/admin/users/user/")
        type_password(page, "olga")
        page.get_by_role("link", name="Lost your phone?").click()
        page.get_by_label("Recovery code").fill(codes[3].upper())
        page.keyboard.press("Enter")
        page.wait_for_url(f"{admin}/admin/users/user/")
        expect(page.get_by_text("You have 9 recovery codes left")).to_be_visible()
    assert User.objects.get(username="olga").second_factor_since


def test_set_up_and_log_in_work_without_javascript(admin):
    new_staff("Operators", name="olga")
    with visiting(admin, javascript=False) as page:
        page.goto("/admin/users/user/")
        type_password(page, "olga")
        page.get_by_role("button", name="Show the QR code").click()
        app = pyotp.TOTP((page.locator("#secret").text_content() or "").replace(" ", ""))
        page.get_by_label("Code that your app shows now").fill(app.now())
        page.get_by_role("button", name="Switch it on").click()
        expect(page.locator("#recovery-codes li")).to_have_count(10)
        expect(page.get_by_role("button", name="Copy")).to_be_hidden()
        page.context.clear_cookies()
        page.goto("/admin/users/user/")
        type_password(page, "olga")
        page.get_by_label("Code from your authenticator app").fill(app.at(int(time.time()) + 30))
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url(f"{admin}/admin/users/user/")


def test_a_large_order_asks_for_a_code_again_and_keeps_what_was_typed(admin):
    olga = new_staff("Operators", name="olga")
    app, _ = give_factor(olga.pk)
    for batch in (make_users(10), make_sessions(40, users=10)):
        list(batch)
    code = app.code()
    with visiting(admin) as page:
        page.goto("/admin/")
        type_password(page, "olga")
        page.get_by_label("Code from your authenticator app").fill(code)
        page.keyboard.press("Enter")
        page.wait_for_url(f"{admin}/admin/")
        kept = page.context.storage_state()
    an_hour_ago = database_now() - timedelta(hours=1)
    Session.objects.filter(user=olga).update(authenticated_at=an_hour_ago)
    wrong, right = app.wrong_code(), app.code(step=1)
    with visiting(admin, kept=kept) as page:
        page.goto("/admin/user_sessions/session/?state=live&platform=Android")
        page.locator("#action-toggle").check()
        page.locator("select[name=action]").select_option("log_out_everywhere")
        page.get_by_role("button", name="Run").click()
        count = page.locator("label", has_text="Type ").inner_text().split()[1]
        page.get_by_label("Reason").fill("Tokens leaked, ticket 4711")
        page.get_by_label("Type ").fill(count)
        proof = page.get_by_label("Your password, or a code from your app")
        proof.fill(wrong)
        page.get_by_role("button", name="End ").click()
        expect(page.get_by_role("alert")).to_contain_text("neither your password nor a code")
        expect(proof).to_be_focused()
        expect(page.get_by_label("Reason")).to_have_value("Tokens leaked, ticket 4711")
        expect(page.get_by_label("Type ")).to_have_value(count)
        proof.fill(right)
        page.get_by_role("button", name="End ").click()
        page.wait_for_url("**/bulkrun/**")
    assert Session.objects.filter(app__kind=App.Kind.CLIENT, ended_at__isnull=False).count() == int(count)
    assert Session.objects.get(user=olga, ended_at=None).authenticated_at > an_hour_ago
