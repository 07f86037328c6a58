"""The lists of the admin in a real browser: search, filters, pages, focus; by keyboard and without JavaScript."""

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Page, Route, expect

from sessions.management.demo_data import make_sessions, make_users
from sessions.models import BulkRun
from tests.browser.admin import browsing, type_password, visiting
from tests.browser.chromium import CHROMIUM
from tests.phones import BuddyPhone, Live, ZapPhone
from tests.sessions.staff import new_staff
from users.models import Device

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on the PATH"),
]

SESSIONS = "/admin/user_sessions/session/"
ROWS = "#result_list tbody tr.data-row"


@pytest.fixture
def admin(server):
    """The URL of a server with Ann's and Bob's sessions, and two rows or more in each list with a search."""
    new_staff(name="boss")
    ZapPhone(Live(server.base_url), device_token="push").sign_up("ann")
    BuddyPhone(Live(server.base_url), device_token="push 2").sign_up("bob")
    BuddyPhone(Live(server.base_url)).sign_up("carol")
    now = timezone.now()
    for operator in ("root@host", "ops@host"):
        BulkRun.objects.create(
            source="command",
            operator=operator,
            selection={"everyone": True},
            expected=1,
            cut_off=True,
            started_at=now,
            as_of=now,
        )
    return server.base_url


def test_what_is_typed_into_the_search_of_each_list_narrows_it(admin):
    searches = [
        (SESSIONS, "ann"),
        ("/admin/users/user/", "bob"),
        ("/admin/users/securityevent/", "ann"),
        ("/admin/user_sessions/bulkrun/", "root@host"),
        ("/admin/users/device/", Device.objects.first().pk),
        ("/admin/users/devicetoken/", "push"),
        ("/admin/auth/group/", "Support"),
    ]
    with browsing(admin, "boss") as page:
        for url, text in searches:
            page.goto(url)
            every = page.locator(ROWS).count()
            assert every > 1, url
            box = page.locator("#searchbar")
            box.fill(text)
            box.press("Enter")
            page.wait_for_url("**/?q=*")
            expect(page.locator("#searchbar")).to_have_value(text)
            found = page.locator(ROWS).count()
            assert 0 < found < every, url
            box.fill("nobody-at-all")
            box.press("Enter")
            page.wait_for_url("**q=nobody-at-all*")
            expect(page.locator(ROWS)).to_have_count(0)
            expect(page.get_by_text("Nothing matches")).to_be_visible()


def test_the_field_of_the_dashboard_has_the_focus_before_and_after_the_theme_has_started(admin):
    held: list[Route] = []
    with browsing(admin, "boss") as page:
        # Playwright sets an attribute on its handlers. Built-in methods don't allow that.
        page.route("**/alpine/alpine.js", lambda route: held.append(route))
        for _ in range(3):
            page.goto("/admin/", wait_until="commit")
            field = page.locator("[autofocus]")
            expect(field).to_be_focused()
            assert page.evaluate("document.documentElement.hasAttribute('x-cloak')")
            page.keyboard.type("a")
            expect(field).to_have_value("a")
            while held:
                held.pop().continue_()
            expect(page.locator("html")).not_to_have_attribute("x-cloak", "")
            page.keyboard.type("nn")
            expect(field).to_have_value("ann")
        page.keyboard.press("Enter")
        expect(page.locator("#live-sessions tbody tr")).to_have_count(1)


def test_the_panel_of_the_filters_stays_open_takes_the_focus_and_gives_it_back(admin):
    with browsing(admin, "boss") as page:
        page.goto(SESSIONS)
        button = page.locator("#filters summary")
        button.focus()
        page.keyboard.press("Enter")
        expect(page.get_by_label("State")).to_be_focused()
        page.keyboard.press("Escape")
        expect(button).to_be_focused()
        expect(page.get_by_label("State")).to_be_hidden()
        page.keyboard.press("Enter")
        page.get_by_label("State").select_option("Live")
        page.get_by_label("User", exact=True).fill("ann")
        page.get_by_label("User", exact=True).press("Enter")
        page.wait_for_url("**state=live&user=ann**")
        expect(page.locator(ROWS)).to_have_count(1)
        expect(page.get_by_label("State")).to_be_visible()  # still open
        page.get_by_label("IP address or network").fill("127.0.0.0/8")
        page.get_by_label("Opened from").fill(f"{timezone.now() - timedelta(days=1):%Y-%m-%d}")
        page.get_by_role("button", name="Apply").click()
        page.wait_for_url("**opened_from**")
        expect(page.locator(ROWS)).to_have_count(1)
        chips = page.get_by_role("list", name="Active filters").get_by_role("link")
        expect(chips).to_have_count(5)  # and "Remove all"
        page.get_by_role("link", name="Remove the filter User").click()
        page.wait_for_url(lambda url: "user=" not in url)
        expect(page.locator(ROWS)).to_have_count(6)
        expect(page.get_by_label("State")).to_have_value("live")
        page.get_by_role("link", name="Remove all").click()
        expect(chips).to_have_count(0)


def test_search_filters_chips_and_pages_work_without_javascript(admin):
    for batch in (make_users(40), make_sessions(130, users=40)):
        list(batch)
    with visiting(admin, javascript=False) as page:
        page.goto("/admin/")
        type_password(page, "boss")
        page.goto(SESSIONS)
        page.locator("#filters summary").click()
        page.get_by_label("State").select_option("Live")
        page.get_by_role("button", name="Apply").click()
        expect(page.locator(ROWS)).to_have_count(50)
        assert page.url.endswith("?state=live&panel=open")
        expect(page.locator("#list-count")).to_have_text("136 sessions")
        first = rows(page)
        page.get_by_role("link", name="Next").click()
        assert not set(rows(page)) & set(first)
        page.get_by_role("link", name="Next").click()
        expect(page.locator(ROWS)).to_have_count(36)
        page.get_by_role("link", name="First page").click()
        assert rows(page) == first
        day = timezone.now() - timedelta(days=10)
        page.get_by_label("Jump to a day").fill(f"{day:%Y-%m-%d}")
        page.get_by_role("button", name="Go").click()
        expect(page.locator(ROWS).first).to_contain_text(f"{day:%Y-%m-%d}")
        page.locator("#searchbar").fill("ann")
        page.locator("#searchbar").press("Enter")
        expect(page.locator(ROWS)).to_have_count(1)
        page.get_by_role("link", name="Remove the filter State").click()
        assert page.url.endswith("?q=ann")


def rows(page: Page) -> list[str]:
    return [box.get_attribute("value") or "" for box in page.locator(".action-select").all()]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_list_fits_on_a_phone_with_its_panel_open(admin, theme):
    with browsing(admin, "boss", theme=theme) as page:
        page.set_viewport_size({"width": 390, "height": 844})
        page.goto(f"{SESSIONS}?panel=open&state=live&user=ann&network=127.0.0.0/8&unseen=3d")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        box = page.get_by_label("Opened until").bounding_box()
        assert box is not None
        assert box["width"] > 120


@pytest.mark.parametrize("width", [1024, 1280])
def test_the_form_of_a_group_fits_on_a_small_screen(admin, width):
    with browsing(admin, "boss") as page:
        page.set_viewport_size({"width": width, "height": 800})
        page.goto("/admin/auth/group/add/")
        expect(page.get_by_text("Remove all permissions")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_escape_closes_the_menu_on_a_phone_and_gives_the_focus_back(admin):
    with browsing(admin, "boss") as page:
        page.set_viewport_size({"width": 390, "height": 844})
        page.goto(SESSIONS)
        opener, menu = page.get_by_role("button", name="Open the menu"), page.get_by_role("navigation", name="Menu")
        expect(menu).to_be_hidden()
        opener.press("Enter")
        expect(menu).to_be_visible()
        expect(opener).to_have_attribute("aria-expanded", "true")
        expect(page.get_by_role("button", name="Close the menu")).to_be_focused()
        own = page.locator(".za-own-menu")
        own.press("Enter")
        expect(page.locator("#own-menu")).to_be_visible()
        page.keyboard.press("Escape")  # the menu within the menu goes first
        expect(page.locator("#own-menu")).to_be_hidden()
        expect(own).to_be_focused()
        expect(menu).to_be_visible()
        page.keyboard.press("Escape")
        expect(menu).to_be_hidden()
        expect(opener).to_be_focused()
        opener.click()
        page.get_by_role("button", name="Close the menu").click()
        expect(menu).to_be_hidden()
        expect(opener).to_be_focused()
        page.set_viewport_size({"width": 1440, "height": 900})
        page.keyboard.press("Escape")
        expect(menu).to_be_visible()
