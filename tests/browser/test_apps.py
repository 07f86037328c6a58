"""Apps and bulk runs in a real browser: switch an app off, rotate a key, stop a run."""

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from playwright.sync_api import expect

from sessions.bulk.runs import start_run
from sessions.management.demo_data import make_sessions, make_users
from sessions.models import BulkRun, Session
from sessions.selection.selection import Selection
from tests.browser.admin import browsing
from tests.browser.chromium import CHROMIUM
from tests.phones import BuddyPhone, Live
from tests.sessions.staff import new_staff
from users.clients import create_app
from users.models import App, User

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on the PATH"),
]
NARROW = {"width": 390, "height": 844}


@pytest.fixture
def admin(server):
    """The URL of a server on the test database. The database is emptied after each test."""
    return server.base_url


@pytest.fixture
def shop(admin):
    new_staff(name="boss")
    return create_app("Shop")


def new_phone(admin, shop):
    return BuddyPhone(Live(admin), app_id=shop.app.pk, app_key=shop.key)


def registers(admin, app_id, key):
    """Return the answer's status, if a new device registers with that key."""
    return BuddyPhone(Live(admin), app_id=app_id, app_key=key).register_device().status


def fits(page):
    """Return whether nothing stands out on the right, on a phone."""
    page.set_viewport_size(NARROW)
    return page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_an_app_is_switched_off_and_on_by_its_page(admin, shop):
    phone = new_phone(admin, shop).sign_up("ann")
    with browsing(admin, "boss") as page:
        page.goto("/admin/users/app/")
        page.get_by_role("link", name="Shop", exact=True).click()
        page.get_by_role("link", name="Switch off").click()
        expect(page.get_by_role("heading", name="Switch Shop off?")).to_be_visible()
        page.get_by_role("button", name="Switch off and end 2 sessions").click()
        # The browser itself asks for the reason.
        expect(page.get_by_label("Reason")).to_be_focused()
        assert phone.me().status == 200
        page.get_by_label("Reason").fill("Broken release, ticket 4711")
        page.get_by_role("button", name="Switch off and end 2 sessions").click()
        expect(page.get_by_text("2 sessions ended.")).to_be_visible()
        expect(page.locator("#run")).to_contain_text("Broken release, ticket 4711")
        assert phone.me().status == 401
        page.goto(f"/admin/users/app/{shop.app.pk}/change/")
        expect(page.locator(".za-tag", has_text="off")).to_be_visible()
        assert fits(page)
        page.get_by_role("link", name="Switch on").click()
        page.get_by_role("button", name="Switch it on").click()
        expect(page.get_by_text("Shop is on. Its users can log in again.")).to_be_visible()
        assert phone.me().status == 401  # no session comes back
    assert new_phone(admin, shop).log_in("ann").status == 200


def test_an_app_is_made_and_its_key_rotated_and_the_old_key_works_until_its_time(admin):
    new_staff(name="boss")
    with browsing(admin, "boss") as page:
        page.goto("/admin/users/app/")
        page.locator('a[href$="/users/app/add/"]').first.click()
        page.get_by_label("Name").fill("Till")
        page.get_by_role("button", name="Add the app").click()
        expect(page.get_by_text("You see the key only now.")).to_be_visible()
        app_id, old = page.locator("#app-id").inner_text(), page.locator("#the-key").inner_text()
        assert fits(page)
        page.get_by_role("link", name="I have kept it").click()
        page.get_by_role("link", name="Rotate the key").click()
        page.get_by_label("The present key works for").select_option(label="1 hour")
        page.get_by_label("Reason").fill("Yearly rotation")
        assert fits(page)
        page.get_by_role("button", name="Rotate the key").click()
        new = page.locator("#the-key").inner_text()
        page.reload()  # sends the form again; that makes no third key
        expect(page.get_by_text("rotated a moment ago")).to_be_visible()
        expect(page.locator("#previous-key")).to_contain_text("works until")
        assert old not in page.content()
        assert new not in page.content()
    status = partial(registers, admin, app_id)
    assert (status(old), status(new)) == (201, 201)
    # The hour is over, by the database's clock.
    App.objects.filter(pk=app_id).update(previous_until=datetime.now(UTC) - timedelta(seconds=1))
    assert (status(old), status(new)) == (401, 201)


def test_a_run_is_stopped_and_continued_by_its_page(admin, shop):
    for batch in (make_users(60), make_sessions(300, users=60)):
        list(batch)
    boss = User.objects.get(username="boss")
    order = Selection(platforms=("Android", "iOS"))
    # No server takes it up before its time: the order is of the future.
    run = start_run(order, source=BulkRun.Source.ADMIN, note="Leak", expected=300, actor=boss)
    BulkRun.objects.update(as_of=datetime.now(UTC) + timedelta(hours=1))
    with browsing(admin, "boss") as page:
        page.goto(f"/admin/user_sessions/bulkrun/{run.pk}/change/")
        expect(page.locator("#run-told")).to_contain_text("Nobody works on it since")
        page.get_by_role("link", name="Stop").click()
        expect(page.get_by_text("their tokens go on working")).to_be_visible()
        page.get_by_label("Reason").fill("Wrong filter")
        page.get_by_role("button", name="Stop the run").click()
        expect(page.get_by_text("boss stopped it")).to_be_visible()
        assert fits(page)
    BulkRun.objects.update(as_of=run.as_of)
    with browsing(admin, "boss") as page:
        page.goto(f"/admin/user_sessions/bulkrun/{run.pk}/change/")
        expect(page.locator("#run .za-tag")).to_have_text("stopped")  # though the server looks for runs to resume
        page.get_by_role("link", name="Continue").click()
        page.get_by_role("button", name="Continue the run").click()
        # The page refreshes itself until the server is done.
        expect(page.locator("#run .za-tag")).to_have_text("done", timeout=30_000)
    run.refresh_from_db()
    assert run.ended == run.expected > 0
    assert not Session.objects.filter(platform__in=["Android", "iOS"], ended_at=None).exists()
