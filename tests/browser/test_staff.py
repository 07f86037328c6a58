"""In a real browser: an invitation, from the list of staff to the first log-in, and the export of a list."""

import json
import re

import pyotp
import pytest
from playwright.sync_api import expect

from tests.browser.admin import browsing, type_password, visiting
from tests.browser.chromium import CHROMIUM
from tests.mail_files import body, forget, mails_in
from tests.servers import running_server
from tests.sessions.staff import new_staff
from tests.waiting import wait_until
from users.models import User

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on the PATH"),
]


@pytest.fixture(scope="module")
def outbox(tmp_path_factory):
    return tmp_path_factory.mktemp("outbox")


@pytest.fixture(scope="module")
def _admin(outbox, django_db_setup, django_db_blocker):
    mails = {"EMAIL_URL": f"filemail:///{outbox}", "PUBLIC_URL": "http://public.example"}
    mails["ALLOWED_HOSTS"] = "127.0.0.1,public.example"
    with django_db_blocker.unblock(), running_server(STAFF_SECOND_FACTOR="on", WORKERS="1", **mails) as started:
        yield started


@pytest.fixture
def admin(_admin, transactional_db):
    """The URL of a server on which staff need a second factor. The database is emptied after each test."""
    return _admin.base_url


def link_in(outbox) -> str:
    """Wait for the mail with the link, and return the link's path."""
    return wait_until(lambda: _links_in(outbox))[0]


def _links_in(outbox) -> list[str]:
    texts = "".join(body(mail) for mail in mails_in(outbox))
    return re.findall(r"http://public\.example(/account/invitation/[\w-]+/)", texts)


def set_up_factor(page) -> None:
    page.get_by_role("button", name="Show the QR code").click()
    app = pyotp.TOTP((page.locator("#secret").text_content() or "").replace(" ", ""))
    page.get_by_label("Code that your app shows now").fill(app.now())
    page.get_by_role("button", name="Switch it on").click()
    page.get_by_role("link", name="I have kept them").click()


@pytest.mark.parametrize("javascript", [True, False])
def test_from_the_list_of_staff_to_the_first_log_in_of_the_invited_person(admin, outbox, javascript):
    forget(outbox)
    new_staff(name="boss")
    with visiting(admin, javascript=javascript) as page:
        page.goto("/admin/staff/")
        type_password(page, "boss")
        set_up_factor(page)
        page.get_by_role("link", name="Invite somebody").click()
        page.get_by_label("Email").fill("nina@example.org")
        page.get_by_role("button", name="Go on").click()
        expect(page.get_by_text("Choose at least one group")).to_be_visible()
        page.get_by_label("Support").check()
        page.get_by_role("button", name="Go on").click()
        expect(page.get_by_role("heading", name="Invite nina@example.org?")).to_be_visible()
        page.get_by_label("Reason").fill("New colleague")
        page.get_by_role("button", name="Send the invitation").click()
        expect(page.get_by_text("nina@example.org is invited")).to_be_visible()
        row = page.locator("tr", has_text="nina@example.org")
        expect(row.get_by_text("invited", exact=True)).to_be_visible()
        expect(row.get_by_text("Support")).to_be_visible()
        expect(row.get_by_role("link", name="Send again")).to_be_visible()
    path = link_in(outbox)
    with visiting(admin, javascript=javascript) as page:
        page.goto(path)
        page.get_by_label("User name").fill("nina.n")
        page.get_by_label("Password", exact=True).fill("quite-new-horse-7")
        page.get_by_label("Password again").fill("quite-new-horse-8")
        page.get_by_role("button", name="Set the password").click()
        expect(page.get_by_role("alert")).to_contain_text("not the same")
        page.get_by_label("Password", exact=True).fill("quite-new-horse-7")
        page.get_by_label("Password again").fill("quite-new-horse-7")
        page.get_by_role("button", name="Set the password").click()
        expect(page.get_by_text("Log in as nina.n")).to_be_visible()
        page.locator("[name=username]").fill("nina.n")
        page.locator("[name=password]").fill("quite-new-horse-7")
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_text("Staff need a second factor here")).to_be_visible()
        set_up_factor(page)
        page.goto("/admin/users/user/")
        expect(page.locator("#result_list")).to_contain_text("nina.n")
        page.goto(path)
        expect(page.get_by_role("heading", name="This invitation does not work any more")).to_be_visible()
    nina = User.objects.get(username="nina.n")
    assert nina.second_factor_since
    assert nina.email_verified


def test_the_link_above_a_list_exports_what_the_list_shows(server):
    new_staff("Operators", name="olga")
    for name in ("ann", "annabel", "ben"):
        User.objects.create_user(name, email=f"{name}@example.org")
    with browsing(server.base_url, "olga") as page:
        page.goto("/admin/users/user/?q=ann")
        page.get_by_role("link", name="Export").click()
        expect(page.get_by_role("heading", name="Export 2 rows of the list of users?")).to_be_visible()
        with page.expect_download() as arriving:
            page.get_by_role("button", name="Export as JSON Lines").click()
        with open(arriving.value.path()) as file:
            rows = [json.loads(line) for line in file]
        assert {row["email"] for row in rows} == {"ann@example.org", "annabel@example.org"}
        with page.expect_download() as arriving:
            page.get_by_role("button", name="Export as CSV").click()
        assert arriving.value.suggested_filename.endswith(".csv")
        page.get_by_role("link", name="Back to the list").click()
        page.wait_for_url("**/admin/users/user/?q=ann")
