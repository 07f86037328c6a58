"""The dashboard's search box leads to people: by what callers say, and by where sessions came from."""

import re
from html import unescape
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone

from sessions.inspect import people
from sessions.models import Session
from tests.phones import PASSWORD
from tests.sessions.population import new_session
from tests.sessions.staff import LIST, browser_of, new_staff, tick, user_url
from users import finding
from users.models import App, Device, DeviceToken, User

FIND = "/admin/find/"


@pytest.fixture
def quin(db):
    """Quin has two live sessions and an ended one, Lea Kumar has one in the same network, and the device has one."""
    device = Device.objects.create(app=App.objects.create(name="Other"), platform="iOS")
    token = DeviceToken.of("quins push address")
    token.save()
    quin = User.objects.create_user("quin_7", email="q@example.org", name="Quin Kumar", phone_number="+990000029033")
    lea = User.objects.create_user("lea", email="lea@example.org", name="Lea Kumar", is_active=False)
    new_session(user=quin, ip="192.0.2.7", device=device, device_token=token)
    new_session(user=quin, ip="192.0.2.7")
    new_session(user=quin, ip="192.0.2.7", ended_at=timezone.now(), end_reason="logout")
    new_session(user=lea, ip="192.0.2.9")
    new_session(ip="192.0.2.20")
    return quin


def staff_with(*permissions):
    user = User.objects.create_user("new", PASSWORD, is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return browser_of(User.objects.get(pk=user.pk))


def rows(page):
    """The text of each row of the table of people."""
    found = re.findall(r"<tr>(.*?)</tr>", page.content.decode().partition("<tbody>")[2], re.DOTALL)
    return [" ".join(unescape(re.sub(r"<[^>]*>", " ", row)).split()) for row in found]


@pytest.mark.parametrize("said", ["ann", " ANN ", "Ann@Example.org", "+4912345", "0049 12345", "{id}"])
def test_whoever_is_named_to_the_letter_is_one_step_away(supporter, said):
    ann = User.objects.create_user("ann", email="Ann@example.org", phone_number="+4912345")
    User.objects.create_user("anna", email="anna@example.org")
    found = supporter.get(FIND, {"q": said.format(id=ann.pk)})
    assert found.headers["location"] == user_url(ann.pk)


def test_an_email_that_nobody_verified_does_not_hide_a_user_of_that_name(supporter):
    ann = User.objects.create_user("ann@example.org")
    User.objects.create_user("thief", email="ann@example.org")
    found = supporter.get(FIND, {"q": "ann@example.org"})
    assert found.headers["location"] == user_url(ann.pk)


@pytest.mark.parametrize(
    "said", ["Quin Kumar", "kumar quin", "q@ex", "00990000029033", "+99 (0) 0000-029033", "029033"]
)
def test_a_caller_is_one_step_away(supporter, quin, said):
    assert supporter.get(FIND, {"q": said}).headers["location"] == user_url(quin.pk)


def test_several_people_are_rows_with_what_tells_them_apart(supporter, quin):
    page = supporter.get(FIND, {"q": "KUMAR"})
    lea, quins = rows(page)
    for shown in ("Quin Kumar", "quin_7", "q@example.org", "+990000029033", " 2 ", "enabled"):
        assert shown in quins, shown
    for shown in ("Lea Kumar", "lea@example.org", " 1 ", "disabled"):
        assert shown in lea, shown
    text = page.content.decode()
    assert "Quin <mark>Kumar</mark>" in text
    assert f'href="{user_url(quin.pk)}"' in text
    assert 'value="KUMAR"' in text
    assert "no-store" in page.headers["cache-control"]


def test_what_matches_of_a_phone_number_is_marked(supporter, quin):
    User.objects.create_user("zoe", phone_number="+491029033")
    text = supporter.get(FIND, {"q": "02 90-33"}).content.decode()
    assert "+990000<mark>029033</mark>" in text
    assert "+491<mark>029033</mark>" in text


def test_staff_and_superusers_are_found_too(supporter):
    new_staff(name="kim_boss")
    new_staff("Support", name="kim_desk")
    boss, desk = rows(supporter.get(FIND, {"q": "kim"}))
    assert "superuser" in boss
    assert desk.endswith("staff")


def test_a_deleted_user_is_found_by_id_only(supporter, quin):
    User.objects.filter(pk=quin.pk).update(deleted_at=timezone.now())
    assert supporter.get(FIND, {"q": quin.pk}).headers["location"] == user_url(quin.pk)
    assert rows(supporter.get(FIND, {"q": "quin"})) == []


@pytest.mark.parametrize("said", ["192.0.2.0/24", "192.0.2.7", "{device}", "quins push address"])
def test_an_address_a_network_a_device_and_a_device_token_lead_to_people(supporter, quin, said):
    said = said.format(device=Device.objects.get().pk)
    found = supporter.get(FIND, {"q": said})
    if said != "192.0.2.0/24":
        assert found.headers["location"] == user_url(quin.pk)
        return
    lea, quins = sorted(rows(found))
    assert "Lea Kumar" in lea
    assert "+990000029033 3 2 " in quins  # three sessions there, two of them live
    assert "1 app-level session there has no user." in " ".join(found.content.decode().split())
    assert "5 sessions in the list" in found.content.decode()
    link = f"{LIST}?q=192.0.2.0%2F24&amp;user={quin.pk}"
    assert link in found.content.decode()
    assert supporter.get(unescape(link)).context["cl"].result_count == 3


def test_an_address_that_only_devices_used_says_so(supporter, quin):
    text = supporter.get(FIND, {"q": "192.0.2.20"}).content.decode()
    assert "No user has been there" in text
    assert f"{LIST}?q=192.0.2.20" in text


def test_a_session_id_leads_to_its_page(supporter, quin):
    session = Session.objects.filter(user=quin).first()
    found = supporter.get(FIND, {"q": str(session.pk)})
    assert found.headers["location"] == f"{LIST}{session.pk}/change/"


@pytest.mark.parametrize(
    "said", ["nobody & none", "", "q", "0" * 24, "00000000-0000-7000-8000-000000000000", "9.9.9.9"]
)
def test_a_search_without_a_hit_says_what_can_be_searched_and_keeps_what_was_typed(supporter, quin, said):
    page = supporter.get(FIND, {"q": said})
    text = page.content.decode()
    assert page.status_code == 200
    assert ("Nobody is found" if said else "Who is calling?") in text
    assert "Deleted users are found by their id only." in text
    assert f'name="q" value="{said.replace("&", "&amp;")}"' in text


def test_a_search_for_html_is_shown_as_text(supporter, quin):
    User.objects.create_user("x1", name="<script>kumar</script>")
    text = supporter.get(FIND, {"q": "kumar"}).content.decode()
    assert "&lt;script&gt;<mark>kumar</mark>&lt;/script&gt;" in text
    assert "<script>alert" not in supporter.get(FIND, {"q": "<script>alert"}).content.decode()


def test_a_common_name_asks_for_more(supporter, quin, monkeypatch):
    monkeypatch.setattr(finding, "MOST_PEOPLE", 1)
    page = supporter.get(FIND, {"q": "kumar"})
    assert len(rows(page)) == 1
    assert "Type more to narrow the search" in page.content.decode()


def test_a_large_network_is_counted_up_to_a_limit(supporter, quin, monkeypatch):
    for module in ("sessions.inspect.people", "sessions.admin.find"):
        monkeypatch.setattr(f"{module}.MOST_SESSIONS", 2)
    assert "Over 2 sessions in the list" in supporter.get(FIND, {"q": "192.0.0.0/8"}).content.decode()


@pytest.mark.parametrize("said", ["kumar", "192.0.2.0/24"])
def test_a_search_that_takes_too_long_is_a_page(supporter, quin, monkeypatch, said):
    def too_long(*_, **__):
        raise finding.SearchTooLong

    monkeypatch.setattr(finding, "_look", too_long)
    monkeypatch.setattr(people, "at_most", too_long)
    page = supporter.get(FIND, {"q": said})
    assert page.status_code == 200
    assert "The search took too long" in page.content.decode()


def test_who_may_see_neither_users_nor_sessions_finds_nobody(quin):
    assert staff_with().get(FIND, {"q": "quin_7"}).status_code == 403


def test_who_may_not_see_sessions_sees_nothing_of_them(quin):
    browser = staff_with("view_user")
    page = browser.get(FIND, {"q": "kumar"})
    assert len(rows(page)) == 2
    assert "Live sessions" not in page.content.decode()
    for said in ("192.0.2.0/24", "quins push address", Device.objects.get().pk, str(Session.objects.first().pk)):
        text = browser.get(FIND, {"q": said}).content.decode()
        assert "Nobody is found" in text, said


def test_who_may_not_see_users_cannot_guess_names_emails_and_numbers(quin):
    browser = staff_with("view_session", "end_session", "end_all_sessions")

    def shown(said):
        found = browser.get(FIND, {"q": said})
        assert parse_qs(urlsplit(found.headers["location"]).query)["q"] == [said]
        return {session.user.username for session in browser.get(found.headers["location"]).context["cl"].result_list}

    for said in ("kumar", "Quin", "q@example.org", "q@ex", "029033", "+990000029033", "quin", "qui"):
        assert shown(said) == set(), said
    assert shown("QUIN_7") == {"quin_7"}
    assert shown("192.0.2.7") == {"quin_7"}
    ticked = [str(Session.objects.filter(user=quin, ended_at=None).first().pk)]
    # All that match are the sessions that the list shows.
    everywhere = tick(browser, "log_out", ticked, across=True, narrowed="?q=quin_7")
    assert "End 2 sessions" in everywhere.content.decode()
    assert "question" not in (tick(browser, "log_out", ticked, across=True, narrowed="?q=kumar").context or {})


def test_who_may_not_see_users_cannot_ask_a_filter_whose_email_it_is(quin, supporter):
    browser = staff_with("view_session", "end_session", "end_all_sessions")

    def shown(browser, said):
        return {session.user for session in browser.get(LIST, {"user": said}).context["cl"].result_list}

    assert shown(supporter, "q@example.org") == {quin}
    assert shown(browser, "q@example.org") == set()
    assert shown(browser, "QUIN_7") == shown(browser, quin.pk) == {quin}
    ticked = [str(Session.objects.filter(user=quin, ended_at=None).first().pk)]
    page = tick(browser, "log_out", ticked, across=True, narrowed="?user=q@example.org")
    assert "question" not in (page.context or {})
    assert "quin" not in page.content.decode().lower()
    assert "End 2 sessions" in tick(browser, "log_out", ticked, across=True, narrowed="?user=quin_7").content.decode()


def test_the_lists_of_users_and_sessions_find_the_same_people(supporter, quin):
    for said in ("Quin Kumar", "uin", "+99 0000029033", "029033"):
        users = supporter.get("/admin/users/user/", {"q": said}).context["cl"].result_list
        assert list(users) == [quin], said
        sessions = supporter.get(LIST, {"q": said}).context["cl"].result_list
        assert {session.user for session in sessions} == {quin}, said
