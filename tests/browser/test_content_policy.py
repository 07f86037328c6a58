"""The content security policy in a real browser: every page works under it, and no foreign script runs."""

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import ConsoleMessage, Page, Route, expect

from sessions.models import BulkRun, Session
from tests.browser.admin import browsing
from tests.browser.chromium import CHROMIUM
from tests.environment import ROOT
from tests.phones import BuddyPhone, Live, ZapPhone
from tests.sessions.staff import new_staff
from users.models import App, Device, RefusedLogin, SecurityEvent, User

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on the PATH"),
]


@pytest.fixture
def admin(server):
    """The URL of a server with some content on each page of its admin."""
    new_staff(name="boss")
    ZapPhone(Live(server.base_url), device_token="push").sign_up("ann")
    BuddyPhone(Live(server.base_url)).sign_up("bob")
    RefusedLogin.objects.create(hour=timezone.now() - timedelta(days=1), reason="wrong_password", count=3)
    return server.base_url


def a_run_at_work() -> BulkRun:
    now = timezone.now()
    return BulkRun.objects.create(
        source=BulkRun.Source.COMMAND,
        selection={"everyone": True},
        expected=9,
        ended=4,
        cut_off=True,
        started_at=now,
        as_of=now,
    )


def pages() -> list[str]:
    """One page of each kind. `test_accessibility` opens them."""
    ann, app, device = User.objects.get(username="ann"), App.objects.get(name="ZAP"), Device.objects.first()
    session = Session.objects.get(user=ann)
    return [
        "/admin/user_sessions/session/?state=live&platform=unknown",
        "/admin/user_sessions/session/?q=nobody",
        f"/admin/user_sessions/session/{session.pk}/change/",
        f"/admin/user_sessions/session/{session.pk}/end/",
        "/admin/find/?q=nobody",
        "/admin/find/?q=127.0.0.0/8",
        "/admin/users/user/",
        "/admin/users/user/add/",
        f"/admin/users/user/{ann.pk}/log-out/",
        f"/admin/users/user/{ann.pk}/send-reset/",
        f"/admin/users/user/{ann.pk}/history/",
        f"/admin/users/user/{ann.pk}/timeline/?kind=sessions",
        f"/admin/users/user/{ann.pk}/acts/",
        "/admin/users/securityevent/?kind=account",
        f"/admin/users/securityevent/{SecurityEvent.objects.filter(user=ann)[0].pk}/change/",
        "/admin/user_sessions/bulkrun/",
        "/admin/users/refusedlogin/?reason__exact=wrong_password",
        "/admin/users/app/",
        "/admin/users/app/add/",
        f"/admin/users/app/{app.pk}/change/",
        f"/admin/users/app/{app.pk}/switch-off/",
        f"/admin/users/device/{device.pk}/change/",
        "/admin/users/devicetoken/",
        "/admin/auth/group/",
        "/admin/second-factor/",
    ]


def test_every_page_of_the_admin_works_under_the_policy(admin):
    """Use the pages. The test of accessibility opens one of each kind, under the same checks."""
    ann, run = User.objects.get(username="ann"), a_run_at_work()
    said: list[str] = []
    with browsing(admin, "boss") as page:
        page.on("console", lambda message: note(message, said))
        press_the_dashboard(page)
        press_the_list_of_sessions(page)
        press_the_form_of_a_user(page, ann.pk)
        press_the_form_of_a_group(page)
        page.goto(f"/admin/user_sessions/bulkrun/{run.pk}/change/")
        with page.expect_response(f"**/{run.pk}/change/"):  # the page reloads by itself
            expect(page.get_by_role("progressbar").locator("svg")).to_have_attribute("width", "44%")
        press_explain(page)
        press_password_and_log_out(page)
    assert said == []


def note(message: ConsoleMessage, said: list[str]) -> None:
    # HTMX logs an error if somebody leaves a run's page while it loads the progress.
    if message.type in ("error", "warning") and "htmx:send" not in message.text:
        said.append(f"{message.location.get('url')}: {message.text}")


def press_the_dashboard(page: Page) -> None:
    page.goto("/admin/")
    expect(page.locator("[data-chart=stacked] canvas").last).to_be_visible()
    with page.expect_response("**/admin/figures/"):  # the page refreshes itself
        page.evaluate("refresh()")
    sidebar = page.get_by_role("link", name="Refused log-ins")
    page.locator("[x-on\\:click*=sidebarDesktopOpen]").first.click()
    expect(sidebar).to_be_hidden()
    page.reload()
    expect(sidebar).to_be_hidden()  # the page has not changed
    page.locator("[x-on\\:click*=idebarDesktopOpen]").first.click()
    expect(sidebar).to_be_visible()
    page.keyboard.press("Control+k")
    expect(page.locator("#search-input-command")).to_be_focused()
    page.locator("#search-input-command").press_sequentially("sess")
    expect(page.locator("#command-results-list li")).not_to_have_count(0, timeout=20_000)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url("**/admin/user_sessions/**")


def press_the_list_of_sessions(page: Page) -> None:
    page.goto("/admin/user_sessions/session/")
    page.keyboard.press("/")
    page.keyboard.type("ann")
    page.keyboard.press("Enter")
    page.wait_for_url("**/session/?q=ann")
    expect(page.locator("tr:has(.action-select)")).to_have_count(1)
    page.locator("#filters summary").click()
    page.get_by_label("State").select_option("Live")
    page.get_by_role("button", name="Apply").click()
    page.wait_for_url("**state=live**")
    page.locator("#action-toggle").check()
    bar = page.locator("#changelist-actions")
    assert "width" in (bar.get_attribute("style") or "")
    page.locator("select[name=action]").select_option(label="End the selected sessions")
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_role("button", name="End 1 session")).to_be_visible()


def press_the_form_of_a_user(page: Page, user_id: str) -> None:
    page.goto(f"/admin/users/user/{user_id}/change/")
    page.get_by_text("Change the account").click()
    form = page.locator("#user_form")
    expect(form).to_have_attribute("action", f"/admin/users/user/{user_id}/change/")
    page.get_by_text("Permissions", exact=True).first.click()
    page.locator(".selector-chooseall").first.click()
    page.locator("[name=name]").fill("Ann Lee")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("was saved.")).to_be_visible()


def press_the_form_of_a_group(page: Page) -> None:
    page.goto("/admin/auth/group/")
    page.get_by_role("link", name="Support").click()
    page.locator(".selector-chooseall").click()
    page.get_by_role("link", name="Delete").click()
    expect(page.get_by_text("Are you sure")).to_be_visible()


def press_explain(page: Page) -> None:
    page.goto("/admin/explain/")
    page.get_by_role("textbox").fill("push")
    page.get_by_role("button", name="Explain").click()
    expect(page.locator("#verdict")).to_be_visible()


def press_password_and_log_out(page: Page) -> None:
    page.goto("/admin/password_change/")
    page.get_by_role("button", name="Change password").click()
    page.get_by_text("boss").first.click()
    page.get_by_text("Dark", exact=True).first.click()
    expect(page.locator("html")).to_have_class("dark")
    page.locator("#logout-form button").click()
    expect(page.get_by_text("Thanks for spending some quality time")).to_be_visible()


INJECTED = """
    <script>window.ran = "inline"</script>
    <img src="nothing" onerror="window.ran = 'handler'">
    <a id="link" href="javascript:window.ran = 'link'">x</a>
"""


def test_a_script_that_got_into_a_page_does_not_run(admin):
    violations: list[str] = []

    def inject(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, body=answer.text().replace("</body>", f"{INJECTED}</body>"))

    with browsing(admin, "boss", violations=violations) as page:
        page.route("**/admin/users/app/", inject)
        page.goto("/admin/users/app/")
        page.locator("#link").evaluate("link => link.click()")
        assert page.evaluate("window.ran") is None
    assert [violation.split(": ")[1].split()[0] for violation in violations] == [
        "script-src-elem",  # the inline script
        "script-src-attr",  # the handler
        "script-src-elem",  # the link
    ]


def test_the_copy_of_alpine_is_the_published_one():
    original = ROOT / "tests/browser/node_modules/@alpinejs/csp/dist/cdn.min.js"
    if not original.exists():
        pytest.skip("npm has not installed the tests' packages")
    assert (ROOT / "sessions/static/unfold/js/alpine/alpine.js").read_bytes() == original.read_bytes()
