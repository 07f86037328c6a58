"""axe-core looks at one page of each kind, in both themes. It must find nothing, whatever its weight."""

from pathlib import Path

import pytest
from playwright.sync_api import ConsoleMessage, Page, ViewportSize, expect

from sessions.models import Session
from tests.browser.admin import browsing, visiting
from tests.browser.chromium import CHROMIUM
from tests.browser.test_content_policy import a_run_at_work, admin, note, pages  # noqa: F401  # `admin` is a fixture
from tests.phones import PASSWORD
from tests.sessions.staff import new_staff
from users.models import App, User
from users.one_use_links import Purpose, make_link

AXE = Path(__file__).parent / "node_modules" / "axe-core" / "axe.min.js"
_RUN = """async (rules) => {
    const found = await axe.run({ resultTypes: ["violations"], ...(rules && { runOnly: rules }) });
    return found.violations.flatMap(rule => rule.nodes.map(node =>
        `${rule.impact} ${rule.id}: ${node.target.join(" ")} ${node.html.slice(0, 160)}: ${node.failureSummary}`));
}"""
# The rules whose findings depend on colors: a theme changes nothing else.
_COLORS = ["color-contrast", "link-in-text-block"]
PHONE: ViewportSize = {"width": 390, "height": 844}

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on the PATH"),
]


def findings(page: Page, rules: list[str] | None = None) -> list[str]:
    """Return what axe-core finds on the page, one text for each element and rule."""
    # Unlike a script tag, it is not subject to the content security policy.
    # The expression has no value, because Playwright would copy the whole of axe-core.
    if page.evaluate("!window.axe"):
        page.evaluate(f"(() => {{ {AXE.read_text()} }})()")
    found: list[str] = page.evaluate(_RUN, rules)
    return found


def of_both_themes(page: Page, name: str) -> list[str]:
    """Return the findings in both themes. The admin has a class for it, and the account page asks the browser."""
    found = [f"{name}: {text}" for text in findings(page)]
    page.evaluate("document.documentElement.classList.add('dark')")  # what the theme's switch does
    page.emulate_media(color_scheme="dark")
    found += [f"{name} (dark): {text}" for text in findings(page, _COLORS)]
    page.evaluate("document.documentElement.classList.remove('dark')")
    page.emulate_media(color_scheme="light")
    return found


def more_pages() -> list[str]:
    """Pages of the admin that the test of the content security policy visits by clicks, or not at all."""
    ann, app, run = User.objects.get(username="ann"), App.objects.get(name="ZAP"), a_run_at_work()
    return [
        "/admin/find/?q=ann",
        "/admin/explain/",
        "/admin/staff/",
        "/admin/staff/invite/",
        "/admin/password_change/",
        "/admin/export/user_sessions/session/?state=live",
        "/admin/user_sessions/session/?state=live&panel=open",
        "/admin/user_sessions/session/?network=nonsense",  # a filter that can't be understood
        f"/admin/user_sessions/bulkrun/{run.pk}/change/",
        f"/admin/users/user/{ann.pk}/change/",
        f"/admin/users/user/{ann.pk}/disable/",
        f"/admin/users/app/{app.pk}/rotate-key/",
        f"/admin/users/app/{app.pk}/cut-off/",
        "/admin/auth/group/add/",
        "/admin/nothing/",
        "/admin/user_sessions/session/?created=nonsense&page=x",
    ]


def on_a_phone() -> list[str]:
    ann = User.objects.get(username="ann")
    return [
        "/admin/",
        "/admin/find/?q=ann",
        "/admin/user_sessions/session/?state=live&panel=open",
        f"/admin/user_sessions/session/{Session.objects.filter(user=ann)[0].pk}/change/",
        f"/admin/users/user/{ann.pk}/change/",
        "/admin/staff/",
    ]


def test_no_page_of_the_admin_has_a_finding(admin):  # noqa: F811
    """The content security policy blocks nothing there either: `browsing` and the console would tell."""
    addresses, more = ["/admin/", *pages()], more_pages()
    found: list[str] = []
    said: list[str] = []
    with browsing(admin, "boss") as page:

        def listen(message: ConsoleMessage) -> None:
            note(message, said)

        page.on("console", listen)
        for address in addresses:
            page.goto(address)
            expect(page.locator("#main")).to_be_visible()
            found += of_both_themes(page, address)
        page.remove_listener("console", listen)  # some of the others answer 404, which the console says
        for address in more:
            page.goto(address)
            found += of_both_themes(page, address)
        page.keyboard.press("Control+k")
        found += of_both_themes(page, "the menu of commands")
    assert said == []
    assert not found, "\n".join(found)


def test_no_page_of_the_admin_has_a_finding_on_a_phone(admin):  # noqa: F811
    addresses = on_a_phone()
    found = []
    with browsing(admin, "boss") as page:
        page.set_viewport_size(PHONE)
        for address in addresses:
            page.goto(address)
            found += of_both_themes(page, address)
            assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"], address
        page.get_by_role("button", name="Open the menu").click()
        found += of_both_themes(page, "the menu")
    assert not found, "\n".join(found)


def test_a_list_that_the_theme_searches_keeps_what_is_typed(admin):  # noqa: F811
    with browsing(admin, "boss") as page:
        page.goto("/admin/auth/group/")
        page.locator("#searchbar").fill("supp")
        page.keyboard.press("Enter")
        page.wait_for_url("**/group/?q=supp")
        assert page.locator("#result_list tbody a").all_text_contents() == ["Support"]


def of_the_account(page: Page, not_me: str, invitation: str) -> list[str]:
    """Return the findings on the pages that people see before and after the log-in."""
    found = []
    for address in ("login/", "forgotten/", "forgotten/code/", f"not-me/{not_me}/", f"invitation/{invitation}/"):
        page.goto(f"/account/{address}")
        found += of_both_themes(page, address)
    page.goto("/account/login/")
    for password in ("wrong-pass-1", PASSWORD):
        page.get_by_label("User name, email or phone number").fill("ann")
        page.get_by_label("Password").fill(password)
        page.get_by_role("button", name="Log in").click()
        found += of_both_themes(page, f"after the log-in with {password}")
    ends = ("sessions/end-others/", "not-me/gone/", "invitation/gone/", "nothing/")
    for address in ("history/", "password/", "email/", "second-factor/", *ends):
        page.goto(f"/account/{address}")
        found += of_both_themes(page, address)
    page.goto("/account/second-factor/")
    page.get_by_role("button", name="Show the QR code").click()
    return found + of_both_themes(page, "the QR code")


def test_no_page_of_the_account_has_a_finding_on_a_phone(admin):  # noqa: F811
    ann, invited = User.objects.get(username="ann"), new_staff("Support", name="guest")
    session = Session.objects.get(user=ann)
    not_me = make_link(ann, purpose=Purpose.NOT_ME, address="a@example.org", session_id=session.pk)
    invitation = make_link(invited, purpose=Purpose.INVITATION, address="g@example.org")
    with visiting(admin) as page:
        page.set_viewport_size(PHONE)
        found = of_the_account(page, not_me, invitation)
        assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    assert not found, "\n".join(found)
