"""The page of a user in a real browser: short on a phone, with a button that enables the account. And errors."""

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from sessions.models import EndReason
from tests.browser.admin import browsing, visiting
from tests.browser.chromium import CHROMIUM
from tests.phones import PASSWORD
from tests.sessions.population import new_session
from tests.sessions.staff import new_staff, user_url
from users.models import Device, User
from users.record.events import Event
from users.record.writing import record

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on the PATH"),
]
PHONE = {"width": 390, "height": 844}
SAFARI = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/17.1 Mobile/15E148 Safari/604.1"
)


@pytest.fixture
def admin(server):
    """The URL of a server on the test database. The database is emptied after each test."""
    return server.base_url


def busy_user():
    """Make a user with 8 live and 30 ended sessions, and with a history."""
    ann = User.objects.create_user("ann", PASSWORD, email="ann.andersson@example.org", first_name="Ann")
    now = timezone.now()
    for number in range(38):
        opened = now - timedelta(days=number)
        facts = {"ip": f"203.0.113.{number}", "city": "Berlin", "country_name": "Germany", "created_at": opened}
        if number >= 8:
            facts |= {"ended_at": opened + timedelta(hours=1), "end_reason": EndReason.SUPERSEDED}
        session = new_session(user=ann, user_agent=SAFARI, refresh_jti=f"jti {number}", **facts)
        if number % 4 == 0:
            session.device = Device.objects.create(
                app=session.app, unique_id=str(number), platform="Android", model="Pixel 8", os_version="14"
            )
            session.save()
    for number in range(10):
        change = {"email": {"from": f"a***@{number}.example.org", "to": "a***@example.org"}}
        record(Event.EMAIL_CHANGED, user=ann, changed=change, verified=False)
    return ann


def sizes(page):
    return page.evaluate("[document.documentElement.scrollHeight, document.documentElement.scrollWidth]")


def test_a_busy_users_page_is_short_on_a_phone_and_the_form_opens(admin):
    new_staff("Operators", name="olga")
    ann = busy_user()
    with browsing(admin, "olga") as page:
        page.set_viewport_size(PHONE)
        page.goto(user_url(ann.pk))
        expect(page.locator("#live-sessions tbody tr")).to_have_count(8)
        height, width = sizes(page)
        assert height < 3000
        assert width == PHONE["width"]
        expect(page.locator("#credentials tbody tr")).to_have_count(9)  # the password, and one line for each session
        expect(page.get_by_text("Safari 17.1 on iOS 17.1").first).to_be_visible()
        expect(page.locator("[name=phone_number]")).to_be_hidden()
        page.get_by_text("Change the account").click()
        page.locator("[name=phone_number]").fill("+4915112345678")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_text("The user ann was saved.")).to_be_visible()
        expect(page.get_by_text("+4915112345678")).to_be_visible()
        # A form with a mistake is open, so that the mistake can be seen.
        page.get_by_text("Change the account").click()
        page.locator("[name=username]").fill("olga")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_text("Another user has this already.")).to_be_visible()
        page.get_by_role("link", name="All 30 in the list").click()
        expect(page).to_have_url(f"{admin}/admin/user_sessions/session/?user={ann.pk}&state=ended")


def test_a_disabled_account_is_enabled_by_a_button_even_without_javascript(admin):
    new_staff("Operators", name="olga")
    ann = User.objects.create_user("ann", PASSWORD, is_active=False)
    with visiting(admin, javascript=False) as page:
        page.goto("/admin/")
        page.locator("[name=username]").fill("olga")
        page.locator("[name=password]").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        page.goto(user_url(ann.pk))
        page.get_by_role("link", name="Enable account").click()
        page.get_by_label("Reason").fill("It was a mistake")
        page.get_by_role("button", name="Enable account").click()
        expect(page.get_by_text("The account ann is enabled.")).to_be_visible()
        expect(page.get_by_role("link", name="Disable account")).to_be_visible()
    assert User.objects.get(pk=ann.pk).is_active


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pages_of_errors_have_the_admins_look_and_a_way_back(admin, theme):
    new_staff("Support", name="sven")
    with browsing(admin, "sven", theme=theme) as page:
        page.goto("/admin/users/user/")
        page.evaluate("location.href = '/admin/nothing/'")
        expect(page.get_by_role("heading", name="There is no such page")).to_be_visible()
        expect(page.get_by_role("link", name="Explain a token")).to_be_visible()
        inside = page.evaluate("getComputedStyle(document.querySelector('#error')).backgroundColor")
        page.get_by_role("link", name="Back", exact=True).click()
        expect(page).to_have_url(f"{admin}/admin/users/user/")
        page.goto("/static/nothing.js")
        expect(page.get_by_role("heading", name="There is no such page")).to_be_visible()
        # The page without the theme's scripts has the same colors.
        assert page.evaluate("getComputedStyle(document.querySelector('#error')).backgroundColor") == inside
        page.set_viewport_size(PHONE)
        assert sizes(page)[1] == PHONE["width"]
        page.get_by_role("link", name="To the start page").click()
        expect(page).to_have_url(f"{admin}/")
