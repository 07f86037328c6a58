"""The tasks of a support desk, done in a real browser: how many clicks, how long, and the slowest page of each.

A click is a press of the mouse or of Enter. Typing is not counted: it is the same everywhere. The seconds are those of
the browser and the server, because the script neither reads nor thinks.
"""

import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from playwright.sync_api import Locator, Page, sync_playwright

_SLOWEST = "() => { const at = performance.getEntriesByType('navigation')[0]; return at.responseEnd - at.startTime; }"


@dataclass
class Desk:
    """A browser at the desk. It counts clicks and keeps the time of the slowest page, in milliseconds."""

    page: Page
    clicks: int = 0
    slowest_ms: float = 0

    def type(self, text: str) -> None:
        self.page.keyboard.type(text)

    def enter(self) -> None:
        with self.page.expect_navigation():
            self.page.keyboard.press("Enter")
        self._arrived()

    def click(self, target: Locator) -> None:
        with self.page.expect_navigation():
            target.click()
        self._arrived()

    def click_here(self, target: Locator) -> None:
        """Click something that leads to no other page."""
        target.click()
        self.clicks += 1

    def link(self, name: str) -> Locator:
        return self.page.get_by_role("link", name=name).first

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=re.compile(name)).first

    def _arrived(self) -> None:
        self.clicks += 1
        self.slowest_ms = max(self.slowest_ms, float(self.page.evaluate(_SLOWEST)))


def find_by_name(desk: Desk) -> None:
    desk.type("Quin Kumar")
    desk.enter()
    desk.enter()  # the first person has the focus
    assert desk.page.locator("#live-sessions").is_visible()


def find_by_number(desk: Desk) -> None:
    desk.type("0099 (0000) 029033")
    desk.enter()
    assert desk.page.locator("#live-sessions").is_visible()


def end_stolen_phone(desk: Desk) -> None:
    desk.type("+99 0000029033")
    desk.enter()
    desk.click(desk.page.locator("#live-sessions a[href$='/end/']").first)
    desk.page.get_by_label("Reason").fill("Phone stolen, ticket 4711")
    desk.click(desk.button("^.*End this session"))
    assert desk.page.get_by_text("1 session ended").is_visible()


def log_out_user(desk: Desk) -> None:
    desk.type("+99 0000029034")
    desk.enter()
    desk.click(desk.link("Log out everywhere"))
    desk.page.get_by_label("Reason").fill("Account taken over, ticket 4712")
    desk.click(desk.button("End [0-9]+ session"))


def browse_deep(desk: Desk) -> None:
    desk.click(desk.link("Sessions"))
    desk.click_here(desk.page.locator("#filters summary"))
    desk.page.get_by_label("State").select_option("live")
    desk.page.get_by_label("Platform").select_option("Android")
    desk.click(desk.button("^Apply$"))
    for _ in range(20):
        desk.click(desk.page.locator("a[rel=next]"))


def ask_about_idle(desk: Desk) -> None:
    """Up to the confirmation of an order for all live sessions on Android that were not seen for ten days."""
    desk.click(desk.link("Sessions"))
    desk.click_here(desk.page.locator("#filters summary"))
    desk.page.get_by_label("Platform").select_option("Android")
    desk.page.get_by_label("Not seen for").fill("10")
    desk.click(desk.button("^Apply$"))
    desk.click_here(desk.page.locator("#action-toggle"))
    desk.click_here(desk.page.get_by_text(re.compile("^ *Select all")).last)
    desk.page.locator("select[name=action]").select_option(label="End the selected sessions")
    desk.click(desk.button("^Run"))
    assert desk.page.locator("#confirm-form").is_visible()


def ask_about_app(desk: Desk) -> None:
    """Up to the confirmation of switching an app off."""
    desk.click(desk.page.locator("#nav-sidebar").get_by_role("link", name="Apps"))
    desk.click(desk.page.get_by_role("link", name="Demo").first)
    desk.click(desk.link("Switch off"))
    assert desk.page.locator("#confirm-form").is_visible()


def find_by_address(desk: Desk) -> None:
    desk.type("203.0.113.7")
    desk.enter()


TASKS: dict[str, Callable[[Desk], None]] = {
    "Find a caller by name, and open their page": find_by_name,
    "Find a caller by phone number, however it is said": find_by_number,
    "End the session of a stolen phone, with a reason": end_stolen_phone,
    "Log a user out everywhere, with a reason": log_out_user,
    "Find who is logged in from an address": find_by_address,
    "Filter: live on Android; go 20 pages further": browse_deep,
    "All live Android sessions not seen for 10 days: up to the confirmation": ask_about_idle,
    "Switch an app off: up to the confirmation": ask_about_app,
}


@dataclass(frozen=True)
class Done:
    clicks: int
    seconds: float
    slowest_ms: float


def do_tasks(address: str, *, username: str, password: str) -> Iterator[tuple[str, Done]]:
    """Log in and do each task, from the dashboard on. Yields each task with what it took."""
    with _browser(address) as page:
        page.goto("/admin/")
        page.locator("[name=username]").fill(username)
        page.locator("[name=password]").fill(password)
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url("**/admin/")
        for name, task in TASKS.items():
            page.goto("/admin/")
            page.locator("[name=q]").first.focus()
            desk, began = Desk(page), time.perf_counter()
            task(desk)
            yield name, Done(desk.clicks, time.perf_counter() - began, desk.slowest_ms)


@contextmanager
def _browser(address: str) -> Iterator[Page]:
    chromium = shutil.which("chromium")
    # Root can't have a sandbox.
    sandbox = os.geteuid() != 0
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=chromium, chromium_sandbox=sandbox) as browser,
    ):
        page = browser.new_page(base_url=address, viewport={"width": 1440, "height": 900})
        page.set_default_timeout(60_000)
        yield page
