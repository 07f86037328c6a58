"""Find a caller in a real browser: type what they say, press Enter, see people, and open one."""

import pytest
from playwright.sync_api import expect

from tests.browser.admin import browsing, type_password, visiting
from tests.browser.chromium import CHROMIUM
from tests.sessions.population import new_session
from tests.sessions.staff import new_staff
from users.models import User

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on the PATH"),
]


@pytest.fixture
def quin(server):
    """Quin Kumar has a session in the same network as Lea Kumar. Their emails are long."""
    new_staff("Support", name="sven")
    lea = User.objects.create_user("lea", email=f"lea.{'very-' * 15}long@example.org", name="Lea Kumar")
    quin = User.objects.create_user("quin_7", email="q@example.org", name="Quin Kumar", phone_number="+990000029033")
    for user in (lea, quin, quin):
        new_session(user=user, ip="192.0.2.7")
    return quin


def test_a_caller_is_found_by_name_number_and_address_with_the_keyboard_alone(server, quin):
    with browsing(server.base_url, "sven") as page:
        box = page.get_by_role("searchbox", name="Find a user or a session")
        for said in ("Quin Kumar", "+99 0000029033", "00990000029033", "029033", "q@exam"):
            page.goto("/admin/")
            box.fill(said)
            box.press("Enter")
            page.wait_for_url(f"**/users/user/{quin.pk}/change/")
        page.goto("/admin/")
        box.fill("kumar")
        box.press("Enter")
        rows = page.locator(".za-people tbody tr")
        expect(rows).to_have_count(2)
        expect(rows.first.locator("mark").first).to_have_text("Kumar")
        expect(box).to_have_value("kumar")
        expect(rows.first.get_by_role("link")).to_be_focused()
        page.keyboard.press("Enter")
        page.wait_for_url("**/users/user/*/change/")
        expect(page.get_by_text("Lea Kumar").first).to_be_visible()
        page.go_back()
        box.fill("192.0.2.0/24")
        box.press("Enter")
        page.get_by_role("link", name="2 sessions of quin_7 there, in the list").click()
        expect(page.locator("#result_list tbody tr")).to_have_count(2)


def test_a_search_works_without_javascript(server, quin):
    with visiting(server.base_url, javascript=False) as page:
        page.goto("/admin/")
        type_password(page, "sven")
        page.wait_for_url("**/admin/")
        box = page.get_by_role("searchbox", name="Find a user or a session")
        box.fill("nobody%")
        box.press("Enter")
        expect(page.get_by_role("heading", name="Nobody is found")).to_be_visible()
        expect(box).to_have_value("nobody%")
        expect(box).to_be_focused()
        box.fill("kumar")
        box.press("Enter")
        expect(page.locator(".za-people tbody tr")).to_have_count(2)
        page.keyboard.press("Enter")
        page.wait_for_url("**/users/user/*/change/")


def test_the_found_people_fit_on_a_phone(server, quin):
    with browsing(server.base_url, "sven", theme="dark") as page:
        page.set_viewport_size({"width": 390, "height": 844})
        for said in ("kumar", "192.0.2.0/24", "nobody"):
            page.goto(f"/admin/find/?q={said}")
            expect(page.locator(".za")).to_be_visible()
            assert page.evaluate("document.documentElement.scrollWidth") <= 390, said
