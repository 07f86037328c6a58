"""The admin in a real browser, with two workers: the steps of a support call."""

import re
from dataclasses import dataclass

import pytest
from playwright.sync_api import expect

from sessions.inspect.statistics import count_figures
from sessions.management.demo_data import make_sessions, make_users
from sessions.models import BulkRun, EndReason, Session
from tests.browser.admin import browsing
from tests.browser.chromium import CHROMIUM
from tests.phones import PASSWORD, Live, ZapPhone, device_token
from tests.servers import running_server
from tests.sessions.staff import new_staff
from users.models import SecurityEvent, User

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on the PATH"),
]


@pytest.fixture(scope="module")
def _admin(django_db_setup, django_db_blocker):
    """A server that has just started, so its next sweep, which counts figures, is five minutes away."""
    with django_db_blocker.unblock(), running_server(WORKERS="1") as started:
        yield started


@pytest.fixture
def admin(_admin, transactional_db):
    """The URL of a server on the test database. The database is emptied after each test."""
    return _admin.base_url


@dataclass
class Phones:
    stolen: ZapPhone
    tablet: ZapPhone
    other: ZapPhone


@pytest.fixture
def phones(admin):
    """Ann has two devices, Bob has one."""
    phones = [ZapPhone(Live(admin), device_token=f"push {n}") for n in range(3)]
    phones[0].sign_up("ann")
    phones[1].log_in("ann")
    phones[2].sign_up("bob")
    return Phones(*phones)


def seed(live):
    for batch in (make_users(60), make_sessions(live, users=60)):
        list(batch)
    count_figures()  # the list offers the platforms that were counted; the server may have done so before this


def test_one_of_a_users_sessions_is_ended_and_the_phones_next_request_is_refused(admin, phones):
    new_staff("Support", name="sven")
    session = Session.objects.get(device_token=device_token("push 0"))
    with browsing(admin, "sven") as page:
        # The search field has the focus, so no click is needed until the user's page.
        page.keyboard.type("ann")
        page.keyboard.press("Enter")
        expect(page.locator("#live-sessions tbody tr")).to_have_count(2)
        page.locator(f'#live-sessions a[href$="{session.pk}/end/"]').click()
        assert phones.stolen.me().status == 200
        page.get_by_label("Reason").fill("Phone stolen, ticket 4711")
        page.get_by_role("button", name="End this session").click()
        expect(page.get_by_text("1 session ended.")).to_be_visible()
        assert (phones.stolen.me().status, phones.stolen.refresh().status) == (401, 401)
        expect(page.locator("#live-sessions tbody tr")).to_have_count(1)
        expect(page.locator("#ended-sessions")).to_contain_text("Phone stolen, ticket 4711")
    assert (phones.tablet.me().status, phones.other.me().status) == (200, 200)
    assert SecurityEvent.objects.get(event="sessions_ended").actor.username == "sven"
    assert not BulkRun.objects.exists()


def test_all_of_a_users_sessions_are_ended_and_nobody_can_act_as_a_disabled_one(admin, phones):
    new_staff("Operators", name="olga")
    ann = User.objects.get(username="ann")
    with browsing(admin, "olga") as page:
        page.goto(f"/admin/users/user/{ann.pk}/change/")
        page.get_by_role("link", name="Log out everywhere").click()
        page.get_by_role("button", name="End 2 sessions").click()
        expect(page.get_by_text("ann is logged in nowhere")).to_be_visible()
        assert (phones.stolen.me().status, phones.tablet.me().status) == (401, 401)
        expect(page.locator("#credentials")).to_contain_text("Password")
        page.get_by_role("link", name="Disable account").click()
        page.get_by_label("Reason").fill("Fraud")
        page.get_by_role("button", name="Disable account").click()
        expect(page.locator("#credentials")).to_contain_text("Nobody. No password")
    assert phones.stolen.log_in("ann").status == 403
    assert phones.other.me().status == 200


def test_a_saved_form_leaves_alone_what_others_changed_and_a_reset_code_is_sent(admin, phones):
    new_staff("Operators", name="olga")
    ann = User.objects.get(username="ann")
    with browsing(admin, "olga") as page:
        page.goto(f"/admin/users/user/{ann.pk}/change/")
        # Meanwhile Ann changes it herself.
        assert phones.tablet.ask("PUT", f"/v1/users/{ann.pk}", {"email": "new@example.org"}).status == 200
        page.get_by_text("Change the account").click()
        page.locator("[name=name]").fill("Ann Lee")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_text("The user ann was saved.")).to_be_visible()
        expect(page.get_by_text("new@example.org").first).to_be_visible()
        expect(page.locator("[name=name]")).to_have_value("Ann Lee")
        page.get_by_role("link", name="Send reset code").click()
        page.get_by_label("Reason").fill("On the phone, ticket 12")
        page.get_by_role("button", name="Send reset code").click()
        expect(page.get_by_text("A reset code is on its way to ann@example.org.")).to_be_visible()
        page.goto("/admin/password_change/")
        for field, text in (
            ("old_password", "wrong-pass-1"),
            ("new_password1", "battery-2"),
            ("new_password2", "battery-2"),
        ):
            page.locator(f"[name={field}]").fill(text)
        page.get_by_role("button", name="Change password").click()
        expect(page.get_by_text("Your old password was entered incorrectly")).to_be_visible()


def test_all_that_match_are_logged_out_and_not_only_those_of_the_page(admin, phones):
    new_staff("Operators", name="olga")
    seed(1200)
    matching = Session.objects.filter(ended_at=None, platform="Android").count()
    assert matching > 400
    with browsing(admin, "olga") as page:
        page.goto("/admin/user_sessions/session/")
        page.locator("#filters summary").press("Enter")
        page.get_by_label("Platform").select_option("Android")
        page.get_by_role("button", name="Apply").click()
        page.wait_for_url("**/session/?platform=Android**")
        page.locator("#action-toggle").check()
        page.get_by_title("Click here to select the objects across all pages").click()
        page.locator("select[name=action]").select_option(label="End the selected sessions")
        page.get_by_role("button", name="Run").click()
        expect(page.get_by_role("heading", name=f"End {matching} sessions of")).to_be_visible()
        page.get_by_role("button", name=f"End {matching} sessions").click()
        # The browser itself asks for the missing reason.
        assert page.locator("textarea:invalid").count() == 1
        page.get_by_label("Reason").fill("Broken release 3.2")
        page.get_by_role("button", name=f"End {matching} sessions").click()
        expect(page.get_by_text(f"{matching} sessions ended.")).to_be_visible()
        expect(page.get_by_text(f"{matching} of {matching} ended")).to_be_visible()
        page.get_by_role("link", name="Its sessions").click()
        expect(page.locator("#list-count")).to_have_text(f"{matching} sessions")
    assert not Session.objects.filter(ended_at=None, platform="Android").exists()
    assert Session.objects.filter(ended_at=None).count() == 1203 - matching + 1  # and this browser
    assert phones.other.me().status == 200
    assert BulkRun.objects.get().note == "Broken release 3.2"


def test_view_only_staff_see_no_button_and_a_handmade_request_is_forbidden(admin, phones):
    viewer = new_staff("Support", name="vera")
    viewer.user_permissions.set(viewer.groups.get().permissions.exclude(codename="end_session"))
    viewer.groups.clear()
    ann, session = User.objects.get(username="ann"), Session.objects.get(device_token=device_token("push 0"))
    with browsing(admin, "vera") as page:
        page.goto("/admin/user_sessions/session/")
        expect(page.get_by_text("ann", exact=True).first).to_be_visible()
        assert page.locator("select[name=action]").count() == 0
        page.goto(f"/admin/users/user/{ann.pk}/change/")
        expect(page.locator("#live-sessions tbody tr")).to_have_count(2)
        assert page.locator('a[href*="/end/"], a[href*="/log-out/"], a[href*="/disable/"]').count() == 0
        handmade = """async ([url, form]) => {
            const token = document.cookie.match(/csrftoken=([^;]+)/)[1];
            const body = new URLSearchParams(form);
            return (await fetch(url, {method: "POST", headers: {"X-CSRFToken": token}, body})).status;
        }"""
        for url, form in (
            (f"/admin/user_sessions/session/{session.pk}/end/", {"note": "x"}),
            (f"/admin/users/user/{ann.pk}/log-out/", {"note": "x"}),
            (f"/admin/users/user/{ann.pk}/disable/", {"note": "x"}),
            ("/admin/user_sessions/session/", {"action": "log_out", "_selected_action": str(session.pk)}),
        ):
            assert page.evaluate(handmade, [url, form]) == 403, url
    assert (phones.stolen.me().status, phones.tablet.me().status) == (200, 200)


def test_a_token_is_explained_before_and_after_its_logout(admin, phones):
    new_staff("Support", name="sven")
    with browsing(admin, "sven") as page:
        for verdict in ("Accepted", "Refused: The session has ended"):
            page.goto("/admin/explain/")
            page.get_by_role("textbox").fill(phones.stolen.access_token)
            page.get_by_role("button", name="Explain").click()
            expect(page.locator("#verdict")).to_contain_text(verdict)
            assert page.url.endswith("/admin/explain/")
            assert page.get_by_role("textbox").input_value() == ""
            phones.stolen.log_out()
        page.get_by_role("link", name="The session", exact=True).click()
        expect(page.get_by_text("logged out by the user").first).to_be_visible()


def test_staff_log_in_and_out_and_the_cookie_that_was_kept_opens_nothing(admin):
    new_staff("Support", name="sven")
    with browsing(admin, "sven") as page:
        page.goto("/admin/user_sessions/session/")
        row = page.locator("tr", has=page.locator(".action-select"))
        expect(row).to_have_count(1)
        expect(row).to_contain_text("Admin")
        expect(row).to_contain_text("Linux")
        (kept,) = [cookie for cookie in page.context.cookies() if cookie["name"] == "sessionid"]
        assert (kept["httpOnly"], kept["sameSite"]) == (True, "Lax")
        page.goto("/admin/")
        page.get_by_text("sven").first.click()
        page.locator("#logout-form button").click()
        expect(page.get_by_text("Thanks for spending some quality time")).to_be_visible()
        assert "sessionid" not in {cookie["name"] for cookie in page.context.cookies()}
        page.context.add_cookies([kept])
        page.goto("/admin/user_sessions/session/")
        expect(page.get_by_role("button", name="Log in")).to_be_visible()
    assert Session.objects.get().end_reason == EndReason.LOGOUT


def test_staff_who_end_all_of_their_own_sessions_are_told_that_they_are_logged_out_too(admin):
    boss = new_staff(name="boss")
    with browsing(admin, "boss") as page:
        page.goto(f"/admin/users/user/{boss.pk}/log-out/")
        expect(page.locator("#this-browser")).to_contain_text("Your own session in this browser is one of them")
        page.get_by_role("button", name="End 1 session").click()
        page.wait_for_url(re.compile("/admin/login/.next="))
        page.locator("[name=username]").fill("boss")
        page.locator("[name=password]").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        expect(page.locator("#ended-sessions")).to_contain_text("Admin")


def test_the_dashboard_shows_the_figures_and_follows_the_systems_theme_until_one_is_chosen(admin, phones):
    new_staff("Support", name="sven")
    background = "getComputedStyle(document.querySelector('#main')).backgroundColor"
    with browsing(admin, "sven") as page:
        expect(page.locator("#live-now")).to_have_text("4")  # three phones and this browser
        light = page.evaluate(background)
        page.locator("a.za-number", has_text="live sessions").click()
        expect(page.locator("#result_list tbody tr, tr:has(.action-select)")).to_have_count(4)
    with browsing(admin, "sven", theme="dark") as page:
        expect(page.locator("html")).to_have_class("dark")
        dark = page.evaluate(background)
        assert dark != light
        page.set_viewport_size({"width": 390, "height": 844})
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.set_viewport_size({"width": 1440, "height": 900})
        page.get_by_text("sven").first.click()
        page.get_by_text("Light", exact=True).first.click()
        expect(page.locator("html")).to_have_class("light")
        page.reload()
        expect(page.locator("html")).to_have_class("light")
        assert page.evaluate(background) == light
