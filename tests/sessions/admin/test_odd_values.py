"""Odd values in the URLs of the admin: ids, filters, searches, page numbers. No page fails."""

from urllib.parse import urlencode

import pytest
from django.contrib import admin
from django.urls import reverse

from tests.sessions.staff import LIST, browser_of, new_staff, user_url
from users.models import User

LISTS = [f"admin:{model._meta.app_label}_{model._meta.model_name}" for model in admin.site._registry]
NUL = "a\0b"
# Each of these, or a similar value, once broke a page.
ODD = [NUL, "fe80::1%eth0", "0001-01-01", "9999-12-31", "9999d", "-1", "9" * 30, "NaN", "_5Fx"]
# The parameters of each list: its own filters, links from other pages, and columns without a link.
NARROWED_BY = {
    "user_sessions_session": (
        "p state app platform seen created reason ended run live_on user id created_at__gte network version unseen "
        "opened_from opened_to after before at further panel o"
    ),
    "users_user": "after before at o is_staff__exact is_active__isnull role_id id__in password__startswith",
    "user_sessions_bulkrun": "source__exact actor",
    "users_refusedlogin": "after at o reason__exact hour__date hour__year",
    "users_app": "id created_at__year",
    "users_device": "app__id__exact",
    "users_devicetoken": "user",
    "users_securityevent": "kind event by user__id__exact at__year p after before at o",
    "auth_group": "name id permissions__id__exact",
}
CASES = [(name, parameter) for name in LISTS for parameter in ("q", *NARROWED_BY[name.removeprefix("admin:")].split())]


@pytest.fixture
def browser(db):
    browser = browser_of(new_staff(name="boss"))
    browser.raise_request_exception = False
    return browser


@pytest.mark.parametrize(("name", "parameter"), CASES)
def test_a_list_narrowed_by_an_odd_value_is_no_error(browser, name, parameter):
    for value in ODD:
        answer = browser.get(reverse(f"{name}_changelist"), {parameter: value})
        assert answer.status_code < 500, value


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("page", ["change", "history", "delete"])
def test_a_page_of_an_odd_id_is_not_there(browser, name, page):
    for value in (NUL, "9" * 30, "_0"):
        assert browser.get(reverse(f"{name}_{page}", args=[value]), follow=True).status_code < 500, value


def test_no_address_of_the_admin_has_a_nul(browser):
    query = urlencode({"user": NUL})
    for url in (user_url(NUL), user_url(NUL, "log_out"), f"{LIST}?{query}", "/admin/find/?q=%00", "/admin/find/?%00=1"):
        assert browser.get(url).status_code == 404, url


@pytest.mark.parametrize("value", ODD)
def test_a_search_for_an_odd_value_is_no_error(browser, value):
    for url in (
        f"/admin/find/?{urlencode({'q': value})}",
        f"/admin/search/?{urlencode({'s': value})}",
        f"/admin/search/?{urlencode({'s': 'sess', 'page': value})}",
    ):
        assert browser.get(url, follow=True).status_code < 500, url


@pytest.mark.parametrize("value", ODD)
def test_a_timeline_at_an_odd_place_is_no_error(browser, value):
    user = User.objects.get()
    for what, parameter in (("timeline", "kind"), ("timeline", "older"), ("acts", "newer"), ("history", "after")):
        for text in (value, f"{value}_RECORDED_1", f"2026-01-01T00:00Z_RECORDED_{value}", f"{value}_1"):
            answer = browser.get(user_url(user.pk, what), {parameter: text})
            assert answer.status_code < 500, (what, text)
    for moment in ("0001-01-01T00:00Z", "0001-01-01T00:00+14:00", "9999-12-31T23:59:59.999999-12:00"):
        for text in (f"{moment}_RECORDED_1", f"{moment}_{'9' * 30}"):
            for what, parameter in (("timeline", "older"), ("timeline", "newer"), ("history", "after")):
                answer = browser.get(user_url(user.pk, what), {parameter: text})
                assert answer.status_code < 500, (what, text)


def test_an_address_with_a_zone_is_looked_for_as_a_name(browser):
    assert browser.get(LIST, {"q": "fe80::1%eth0"}).context["cl"].result_count == 0


@pytest.mark.parametrize("name", ["seen", "created", "live_on", "ended"])
def test_the_first_day_of_all_finds_no_session_and_the_last_one_is_a_day_like_any_other(browser, name):
    assert browser.get(LIST, {name: "0001-01-01"}).context["cl"].result_count == 0
    assert browser.get(LIST, {name: "9999-12-31"}).status_code == 200


def test_a_column_that_a_list_does_not_offer_cannot_be_guessed_letter_by_letter(browser):
    for name, lookup in (
        ("users_app", "key_hash__startswith"),
        ("users_app", "sealed_secret__startswith"),
        ("users_devicetoken", "digest__startswith"),
        ("users_user", "password__startswith"),
        ("users_user", "new_email__startswith"),
    ):
        assert browser.get(reverse(f"admin:{name}_changelist"), {lookup: "s"}).status_code == 400, lookup
    offered = browser.get(reverse("admin:users_user_changelist"), {"is_staff__exact": "1"})
    assert list(offered.context["cl"].result_list) == [User.objects.get()]
