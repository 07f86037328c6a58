"""Menus by the keyboard alone: Tab reaches all of a menu, and Escape closes it and gives the focus back."""

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.admin import browsing, visiting
from tests.browser.chromium import CHROMIUM
from tests.browser.test_accessibility import PHONE
from tests.browser.test_content_policy import admin  # noqa: F401  # a fixture
from users.models import User

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on the PATH"),
]


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def opened_by_enter(opener: Locator) -> Locator:
    """Open the menu with the keyboard. Returns it."""
    opener.focus()
    opener.press("Enter")
    menu = opener.page.locator(f"#{opener.get_attribute('aria-controls')}")
    expect(menu).to_be_visible()
    return menu


def test_the_menu_of_ones_own_account(admin):  # noqa: F811
    with browsing(admin, "boss") as page:
        opener = page.get_by_role("button", name="boss")
        menu = opened_by_enter(opener)
        press(page, "Tab", "Tab")
        expect(menu.get_by_role("button", name="Dark")).to_be_focused()
        press(page, "Enter")
        expect(page.locator("html.dark")).to_be_attached()
        expect(menu.get_by_role("button", name="Dark")).to_have_attribute("aria-pressed", "true")
        press(page, "Escape")
        expect(menu).to_be_hidden()
        expect(opener).to_be_focused()
        opened_by_enter(opener)
        press(page, "Shift+Tab")  # the focus leaves
        expect(menu).to_be_hidden()


def test_the_theme_on_the_log_in_page(admin):  # noqa: F811
    with visiting(admin) as page:
        page.goto("/admin/login/")
        opener = page.get_by_role("button", name="Theme")
        menu = opened_by_enter(opener)
        press(page, "Tab", "Tab", "Enter")
        expect(page.locator("html.dark")).to_be_attached()
        press(page, "Escape")
        expect(menu).to_be_hidden()
        expect(opener).to_be_focused()


def test_the_menus_on_a_phone(admin):  # noqa: F811
    ann = User.objects.get(username="ann")
    with browsing(admin, "boss") as page:
        page.set_viewport_size(PHONE)
        page.goto(f"/admin/users/user/{ann.pk}/change/")
        opener = page.get_by_role("button", name="Open the menu")
        menu = opened_by_enter(opener)
        expect(menu.get_by_role("button", name="Close the menu")).to_be_focused()
        own = opened_by_enter(menu.get_by_role("button", name="boss"))
        press(page, "Tab", "Escape")  # one menu at a time
        expect(own).to_be_hidden()
        expect(menu).to_be_visible()
        press(page, "Escape")
        expect(menu).to_be_hidden()
        expect(opener).to_be_focused()
        opened_by_enter(opener)
        press(page, "Enter")  # on "Close the menu"
        expect(menu).to_be_hidden()
        expect(opener).to_be_focused()
        more = page.get_by_role("button", name="More")
        acts = opened_by_enter(more)
        press(page, "Tab")
        expect(acts.get_by_role("link", name="History")).to_be_focused()
        press(page, "Escape")
        expect(acts).to_be_hidden()
        expect(more).to_be_focused()


def search_for_page(page: Page, text: str) -> None:
    page.goto("/admin/staff/")
    press(page, "Control+k")
    expect(page.get_by_role("searchbox", name="Search the pages")).to_be_focused()
    page.keyboard.type(text)


def test_the_search_for_pages(admin):  # noqa: F811
    with browsing(admin, "boss") as page:
        search_for_page(page, "xyzzy")
        expect(page.locator("#command-results-note")).to_contain_text("Found 0 results")
        press(page, "Enter")  # `browsing` fails if a script fails
        search_for_page(page, "bulk")
        expect(page.locator("#command-results")).to_contain_text("Bulk runs")
        press(page, "Enter")  # the first one
        page.wait_for_url("**/bulkrun/")
