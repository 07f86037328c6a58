"""The link "That wasn't me", in a real browser: from the mail to the dead session, and on to a new password."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.admin import visiting
from tests.browser.chromium import CHROMIUM
from tests.mail_files import body, forget, mails_in
from tests.phones import PASSWORD, Live, ZapPhone, pushes_of
from tests.servers import running_server
from tests.waiting import wait_until
from users.models import OneUseLink, User

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on the PATH"),
]
SITE = "https://auth.example.org"
NEW = "another-horse-2"


@pytest.fixture(scope="module")
def post(tmp_path_factory):
    """The folder into which the server writes its mails."""
    return tmp_path_factory.mktemp("mails")


@pytest.fixture(scope="module")
def _mailing(post, django_db_setup, django_db_blocker):
    # django-environ drops the first slash of the path.
    settings = {"EMAIL_URL": f"filemail:///{post}", "NEW_DEVICE_MAIL": "on", "PUBLIC_URL": SITE}
    settings["ALLOWED_HOSTS"] = "127.0.0.1,auth.example.org"
    with django_db_blocker.unblock(), running_server(WORKERS="1", **settings) as started:
        yield started


@pytest.fixture
def url(_mailing, transactional_db):
    return _mailing.base_url


def newest(folder, subject):
    """Wait for a mail with that subject. Return its text and its HTML."""
    mail, *_ = wait_until(lambda: [mail for mail in mails_in(folder) if subject in mail["Subject"]])
    return body(mail), body(mail, "html")


def phone(url, name, **options):
    live = Live(url)

    def send(method, path, *, headers=None, content=None):
        return live(method, path, headers={"User-Agent": f"Phone of {name}"} | (headers or {}), content=content)

    return ZapPhone(send, **options)


@pytest.mark.parametrize("javascript", [True, False])
def test_from_the_mail_to_the_dead_session_and_a_new_password(url, post, javascript):
    forget(post)
    ann = phone(url, "ann", device_token="of ann").sign_up("ann")
    thief = phone(url, "thief", device_token="of thief")
    assert thief.log_in("ann").status == 200
    _, html = newest(post, "New log-in")
    with visiting(url, javascript=javascript) as page:
        # The mail client shows the HTML, and its scanner has opened the link before.
        page.set_content(html.replace(SITE, url))
        button = page.get_by_role("link", name="me", exact=False).first
        expect(button).to_have_text("That wasn\u2019t me")
        assert page.request.head(button.get_attribute("href")).status == 200
        assert thief.me().status == 200
        button.click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Was it not you?")
        expect(page.get_by_text("Phone of thief")).to_have_count(0)
        page.get_by_role("button", name="me").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Choose a new password")
        assert thief.me().status == 401
        assert thief.refresh().status == 401
        assert ann.me().status == 200
        text, _ = newest(post, "reset code")
        (code,) = re.findall("[0-9a-f]{4} [0-9a-f]{4} [0-9a-f]{4}", text)
        page.get_by_label("Code").fill(code)
        page.get_by_label("New password", exact=True).fill(NEW)
        page.get_by_label("New password again").fill(NEW)
        page.get_by_role("button", name="Set the new password").click()
        page.wait_for_url(f"{url}/account/login/")
        expect(page.get_by_text("Your new password is set")).to_be_visible()
    assert pushes_of(ann.user_id) == []
    assert ann.me().status == 401
    assert thief.log_in("ann").status == 401  # with the old password
    assert User.objects.get().check_password(NEW)
    assert not User.objects.get().check_password(PASSWORD)


def test_a_used_link_is_explained_and_leads_on(url, post):
    with visiting(url) as page:
        page.goto(f"/account/not-me/{'x' * 43}/")
        expect(page.get_by_role("heading", level=1)).to_have_text("This link does not work any more")
        page.get_by_role("link", name="Choose a new password").click()
        page.wait_for_url(f"{url}/account/forgotten/")
    assert not OneUseLink.objects.exists()
