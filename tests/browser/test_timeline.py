"""The timeline in a real browser: without JavaScript, on a phone, by a screen reader's names, as a download."""

import csv
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.admin import browsing, type_password, visiting
from tests.browser.chromium import CHROMIUM
from tests.phones import Live, ZapPhone
from tests.sessions.staff import new_staff
from users.models import SecurityEvent, User
from users.origin import Origin
from users.record.events import Event
from users.record.writing import record

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on the PATH"),
]


@pytest.fixture
def ann(server):
    """A user with a log-in, a logout, and sixty changes of the name, some by staff."""
    sven = new_staff("Support", name="sven")
    phone = ZapPhone(Live(server.base_url)).sign_up("ann")
    phone.log_out()
    user = User.objects.get(username="ann")
    origin = Origin(ip="2001:db8:85a3:1234:5678:8a2e:370:7334", user_agent="Firefox")
    for number in range(60):
        changed = {"name": {"from": str(number), "to": "a-very-long-name-without-a-space" * 4}}
        record(Event.NAME_CHANGED, user=user, actor=sven, origin=origin, changed=changed)
    return user


def test_filters_and_pages_work_without_javascript(server, ann):
    with visiting(server.base_url, javascript=False) as page:
        page.goto("/admin/")
        type_password(page, "sven")
        page.wait_for_url("**/admin/")
        page.goto(f"/admin/users/user/{ann.pk}/timeline/")
        lines = page.get_by_role("table", name="Timeline of ann").locator("tbody tr")
        expect(lines).to_have_count(50)
        pages = page.get_by_role("navigation", name="Pages")
        pages.get_by_role("link", name="Older").click()
        expect(lines.last).to_contain_text("The account was created")
        pages.get_by_role("link", name="Newer").click()
        expect(lines).to_have_count(50)
        kinds = page.get_by_role("navigation", name="Filter by kind")
        kinds.get_by_role("link", name="Sessions").click()
        expect(lines).to_have_count(2)
        expect(kinds.locator("[aria-current=true]")).to_have_text("Sessions")
        with page.expect_download() as download:
            page.get_by_role("button", name="Export as CSV").click()
        rows = list(csv.reader(Path(download.value.path()).read_text("utf-8-sig").splitlines()))
    assert len(rows) == 1 + SecurityEvent.objects.filter(user=ann).count() + 2
    assert SecurityEvent.objects.get(event=Event.RECORD_EXPORTED).user == ann


def test_on_a_phone_nothing_scrolls_sideways(server, ann):
    entry = SecurityEvent.objects.filter(user=ann, event=Event.NAME_CHANGED).first()
    with browsing(server.base_url, "sven", theme="dark") as page:
        page.set_viewport_size({"width": 390, "height": 844})
        for path in ("timeline/", "history/", "acts/", "change/", f"../../securityevent/{entry.pk}/change/"):
            page.goto(f"/admin/users/user/{ann.pk}/{path}")
            assert page.evaluate("document.documentElement.scrollWidth") <= 390, path
