"""The lists of the admin: pages, counts, filters, and what they say when they can't answer."""

import re
from datetime import timedelta
from html import unescape
from uuid import UUID

import pytest
from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.db import connection
from django.db.models import BooleanField, Func
from django.test import RequestFactory
from django.utils import timezone

from sessions.admin.sessions import SessionAdmin
from sessions.ids import first_id
from sessions.management.demo_data import analyze, make_sessions, make_users
from sessions.models import EndReason, Session
from tests.sessions.population import new_session
from tests.sessions.staff import LIST, browser_of, new_staff
from users import admin_lists, bounded_look, keyset_list
from users.models import App, RefusedLogin, SecurityEvent, User
from users.record.events import Event
from users.record.writing import record

USERS = "/admin/users/user/"


@pytest.fixture
def browser(db):
    return browser_of(new_staff(name="boss"))


@pytest.fixture
def many(db):
    for batch in (make_users(30), make_sessions(90, users=30), make_sessions(40, users=30, ended=True)):
        list(batch)


@pytest.fixture
def small_pages(monkeypatch):
    monkeypatch.setattr(SessionAdmin, "list_per_page", 10)


def shown(answer):
    return [str(row.pk) for row in answer.context["cl"].result_list]


def text_of(answer):
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", answer.content.decode())))


def link(answer, name):
    return getattr(answer.context["cl"], f"{name}_url")


def walk(browser, url, name="next"):
    """Follow the links from page to page. Returns the rows of all pages."""
    found = []
    while url is not None:
        answer = browser.get(url if url.startswith("/") else LIST + url)
        found += shown(answer)
        url = link(answer, name) or None
    return found


# --- pages ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "query", ["", "?state=live", "?platform=Android&state=live", "?o=6", "?state=ended&o=-8", "?q=ada"]
)
def test_the_pages_of_a_list_show_each_row_once_forwards_and_backwards(browser, many, small_pages, query):
    every = list(browser.get(LIST + query).context["cl"].queryset.values_list("pk", flat=True))
    forwards = walk(browser, LIST + query)
    assert forwards == [str(pk) for pk in every]
    last = browser.get(LIST + query)
    while link(last, "next"):
        last = browser.get(LIST + link(last, "next"))
    backwards = [shown(last)]
    while link(last, "previous"):
        last = browser.get(LIST + link(last, "previous"))
        backwards.insert(0, shown(last))
    # The first page is always full, so it may show rows of the second one again.
    assert list(dict.fromkeys(row for page in backwards for row in page)) == forwards
    assert not link(last, "first")


def test_a_log_in_between_two_pages_neither_hides_nor_repeats_a_session(browser, many, small_pages):
    before = shown(browser.get(LIST)) + walk(browser, LIST)[10:]
    first = browser.get(LIST)
    new_session(user=User.objects.exclude(username="boss")[0])
    rest = walk(browser, LIST + link(first, "next"))
    assert shown(first) + rest == before


def test_a_later_page_keeps_the_filters_and_says_how_to_go_back(browser, many, small_pages):
    answer = browser.get(f"{LIST}?state=live&platform=Android&q=10.0.0.0/8")
    second = browser.get(LIST + link(answer, "next"))
    assert all(row.platform == "Android" and not row.ended_at for row in second.context["cl"].result_list)
    for words in ("First page", "Previous", "Next", "State: Live", "Platform: Android"):
        assert words in text_of(second)
    assert shown(browser.get(LIST + link(second, "first"))) == shown(answer)


def test_a_list_ordered_by_time_jumps_to_a_day(browser, many, small_pages):
    day = (timezone.now() - timedelta(days=9)).date()
    for order in ("", "&o=6"):
        answer = browser.get(f"{LIST}?at={day}&state=live{order}")
        first = answer.context["cl"].result_list[0]
        assert first.created_at.date() == day if not order else first.created_at.date() >= day
        assert f'value="{day}"' in answer.content.decode()
        assert link(answer, "previous")
    users = browser.get(f"{USERS}?at={day}").context["cl"].result_list
    assert users
    assert all(user.created_at.date() <= day for user in users)
    nothing = browser.get(f"{LIST}?at=1999-01-01")
    assert "no more sessions from here on" in text_of(nothing)
    assert browser.get(f"{LIST}?at=2999-01-01").context["cl"].result_list[0].created_at.date() > day


@pytest.mark.parametrize("query", ["after=x", "before=bnVsbA", "at=2026-99-99", "at=x", "after=WyJhIl0"])
def test_a_place_that_is_not_there_leads_to_the_first_page_with_a_word_and_the_filters(browser, many, query):
    answer = browser.get(f"{LIST}?platform=Android&{query}")
    assert "There is no such place in this list" in text_of(answer)
    assert "Platform: Android" in text_of(answer)
    assert shown(answer) == shown(browser.get(f"{LIST}?platform=Android"))


def test_old_links_with_a_page_number_open_the_list(browser, many):
    for query in ("p=99999", "p=x", "all=1"):
        assert shown(browser.get(f"{LIST}?{query}")) == shown(browser.get(LIST))


def test_the_list_sorts_by_columns_that_an_index_carries_and_by_no_other(browser, many):
    def headers(query):
        return re.findall(r'href="\?[^"]*o=-?(\d+)', browser.get(LIST + query).content.decode())

    assert set(headers("")) == {"6"}
    assert set(headers("?state=ended")) == {"6", "8"}
    oldest = browser.get(f"{LIST}?o=6").context["cl"].result_list
    assert [row.pk for row in oldest] == sorted(row.pk for row in oldest)
    ended = browser.get(f"{LIST}?reason=logout&o=-8").context["cl"].result_list
    assert [row.ended_at for row in ended] == sorted((row.ended_at for row in ended), reverse=True)
    for other in ("o=8", "o=7", "o=x", "o=99", "o=6.7"):
        assert shown(browser.get(f"{LIST}?{other}")) == shown(browser.get(LIST)), other


# --- counts ---------------------------------------------------------------------------------------


def test_a_count_is_exact_up_to_a_limit_and_select_all_names_no_other_number(browser, many, small_pages, monkeypatch):
    exact = browser.get(f"{LIST}?state=ended")
    assert "40 sessions" in text_of(exact)
    assert "Select all 40 sessions" in text_of(exact)
    monkeypatch.setattr(keyset_list, "MOST_COUNTED", 39)
    over = browser.get(f"{LIST}?state=ended")
    assert "Over 39 sessions" in text_of(over)
    assert "Select all (over 39 sessions)" in text_of(over)
    assert "40" not in re.sub(r"\d\d:\d\d|10[.]\S+|_\d+", "", text_of(over))
    monkeypatch.setattr(keyset_list, "COUNTED_WITHIN_MS", 0)
    unknown = browser.get(f"{LIST}?state=ended")
    assert "Sessions are not counted" in text_of(unknown)
    assert "Select all that match" in text_of(unknown)


def test_a_short_list_has_its_count_and_no_pages(browser, many):
    answer = browser.get(f"{LIST}?state=ended")
    assert "40 sessions" in text_of(answer)
    assert "Select all" not in text_of(answer).replace("Select all rows", "")
    assert [link(answer, name) for name in ("next", "previous", "first")] == ["", "", ""]


# --- filters --------------------------------------------------------------------------------------


def test_each_active_filter_is_a_chip_that_takes_away_that_one_only(browser, many):
    app = App.objects.get(name="ZAP")
    query = f"?state=live&platform=Android&app={app.pk}&q=10.0.0.0%2F8&unseen=2d"
    chips = {chip.title: chip for chip in browser.get(LIST + query).context["cl"].chips}
    assert {title: chip.value for title, chip in chips.items()} == {
        "state": "Live",
        "platform": "Android",
        "app": "ZAP",
        "search": "“10.0.0.0/8”",
        "not seen for": "2d",
    }
    left = browser.get(LIST + chips["platform"].url).context["cl"]
    assert {chip.title for chip in left.chips} == set(chips) - {"platform"}
    page = browser.get(f"{LIST}{query}&panel=open").content.decode()
    assert 'id="filters" open' in page
    assert "panel=open" in re.findall(r'za-chip" href="([^"]*)', page)[0]


def test_filters_that_only_links_set_are_chips_too_and_the_form_keeps_them(browser, many):
    day = timezone.now().date()
    page = browser.get(f"{LIST}?live_on={day}&state=live").content.decode()
    assert f'<input type="hidden" name="live_on" value="{day}">' in page
    RefusedLogin.objects.create(hour=timezone.now(), reason="wrong_password", count=3)
    refused = browser.get(f"/admin/users/refusedlogin/?hour__date={day}&reason__exact=wrong_password")
    assert [(chip.title, chip.value) for chip in refused.context["cl"].chips] == [
        ("hour", str(day)),
        ("reason", "wrong password"),
    ]
    assert len(refused.context["cl"].result_list) == 1


def test_empty_fields_of_the_form_leave_the_url(browser, many):
    answer = browser.get(f"{LIST}?state=live&platform=&opened_from=&q=&panel=open")
    assert answer.status_code == 302
    assert answer.headers["location"] == f"{LIST}?state=live&panel=open"
    emptied = browser.get(f"{USERS}?is_staff__exact=&is_active__exact=1", follow=True)
    assert emptied.status_code == 200
    assert len(emptied.context["cl"].result_list) == 31


def test_a_time_can_be_typed_and_not_seen_for_finds_live_sessions(browser, settings):
    settings.SESSION_IDLE_TIMEOUT = timedelta(0)
    ann, now = User.objects.create_user("ann"), timezone.now()
    idle = {}
    for days in (1, 19, 21, 30):
        at = now - timedelta(days=days)
        idle[days] = new_session(pk=UUID(int=first_id(at).int + days), user=ann, created_at=at, last_seen_at=at)
    Session.objects.filter(pk=idle[30].pk).update(ended_at=now, end_reason=EndReason.STAFF)
    for typed in ("20", "20d", "20 days", " 480h"):
        assert shown(browser.get(LIST, {"unseen": typed, "user": "ann"})) == [str(idle[21].pk)], typed
    since, until = (now - timedelta(days=22)).date(), (now - timedelta(days=19)).date()
    between = {"opened_from": since, "opened_to": until, "user": "ann"}
    assert shown(browser.get(LIST, between)) == [str(idle[19].pk), str(idle[21].pk)]


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("seen=nonsense", "Last seen: 'nonsense' is not a day"),
        ("opened_from=soon", "Opened from: 'soon' is not a day"),
        ("run=7", "'7' is not the id of a bulk run"),
        ("user=nobody", "there is no user 'nobody'"),
        ("network=here", "'here' is no IP address and no network"),
        ("unseen=long", "'long' is not a time"),
    ],
)
def test_a_wrong_value_is_named_and_shows_no_rows_and_loses_no_other_filter(browser, many, query, reason):
    answer = browser.get(f"{LIST}?platform=Android&q=ada&{query}")
    assert answer.status_code == 200
    assert reason in text_of(answer)
    assert shown(answer) == []
    assert {"platform", "search"} < {chip.title for chip in answer.context["cl"].chips}
    assert 'value="ada"' in answer.content.decode()


def test_a_wrong_value_of_djangos_own_filters_is_said_too(browser):
    answer = browser.get(f"{USERS}?is_staff__exact=perhaps&q=boss")
    assert "can't be understood" in text_of(answer)
    assert {chip.title for chip in answer.context["cl"].chips} == {"is staff", "search"} or "boss" in text_of(answer)


# --- lists that take long -------------------------------------------------------------------------


class Slow(Func):
    """Takes 10 ms for each row, and is true."""

    template = "(pg_sleep(0.01)::text = '')"
    output_field = BooleanField()


@pytest.fixture
def slow(monkeypatch):
    """Each row that a search checks takes 10 ms."""
    search = SessionAdmin.get_search_results

    def slowly(self, request, rows, term):
        found, duplicates = search(self, request, rows, "")
        return (found.alias(waits=Slow()).filter(waits=True) if term else found), duplicates

    monkeypatch.setattr(SessionAdmin, "get_search_results", slowly)


def test_a_statement_that_takes_too_long_is_cancelled_and_the_page_says_what_to_narrow(
    browser, many, slow, monkeypatch
):
    monkeypatch.setattr(admin_lists, "LIST_MS", 150)
    monkeypatch.setattr(bounded_look, "AT_ONCE_MS", 50)
    answer = browser.get(f"{LIST}?q=anything&platform=Android")
    assert answer.status_code == 200
    assert "This takes too long" in text_of(answer)
    assert "Platform: Android" in text_of(answer)
    assert 'value="anything"' in answer.content.decode()
    assert shown(answer) == []
    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone()[0] not in ("150ms", "50ms")
    assert shown(browser.get(LIST))


def test_a_search_that_takes_long_goes_on_from_page_to_page_and_finds_each_row_once(
    browser, many, small_pages, monkeypatch
):
    wanted = walk(browser, f"{LIST}?platform=Windows&state=live")
    assert len(wanted) > 3
    monkeypatch.setattr(bounded_look, "LOOK_FOR", 0)
    monkeypatch.setattr(bounded_look, "FIRST_STEP", 7)
    first = browser.get(f"{LIST}?platform=Windows&state=live&further=1")
    assert "has looked through a part of them only" in text_of(first)
    assert "Look further" in text_of(first)
    assert walk(browser, f"{LIST}?platform=Windows&state=live&further=1") == wanted
    last = browser.get(f"{LIST}?platform=Windows&state=live&o=6")
    cl = last.context["cl"]
    newest = cl.order.write(cl.order.place_of(Session.objects.latest("pk")))
    back = walk(browser, f"{LIST}?platform=Windows&state=live&further=1&o=6&before={newest}", "previous")
    assert set(wanted) <= set(back)


def test_pages_deep_in_a_filtered_list_start_in_the_middle_of_the_index(browser, many, small_pages):
    analyze()
    second = browser.get(LIST + link(browser.get(f"{LIST}?state=live&platform=Android"), "next"))
    cl = second.context["cl"]
    rows = cl.order.sort(cl.queryset.filter(cl.order.after(cl.place)))
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_bitmapscan = off")
    assert re.search(r"Index Cond: \(+id <", rows[:11].explain())


def test_postgresql_knows_how_many_sessions_have_a_platform(many):
    analyze()
    there = Session.objects.filter(platform__iexact="android").count()
    (estimate,) = re.findall(r"rows=(\d+)", Session.objects.filter(platform__iexact="android").explain())[:1]
    assert there / 2 < int(estimate) < there * 2


# --- all rows, for an export ----------------------------------------------------------------------


def test_all_rows_that_match_are_read_in_batches(browser, many, monkeypatch, django_assert_max_num_queries):
    monkeypatch.setattr(admin_lists, "EXPORT_BATCH", 10)
    sessions = admin.site.get_model_admin(Session)
    request = RequestFactory().get(f"{LIST}?state=live&platform=Android&o=6&after=x&panel=open&at=2026-01-01")
    request.user = User.objects.get(username="boss")
    expected = Session.objects.filter(ended_at=None, platform="Android").order_by("pk")
    with django_assert_max_num_queries(12):
        found = [(row.pk, row.user.username) for row in sessions.iterate_matching(request)]
    assert found == list(expected.values_list("pk", "user__username"))


def test_all_rows_of_a_wrong_filter_are_an_error_at_once(browser):
    request = RequestFactory().get(f"{LIST}?seen=x")
    request.user = User.objects.get(username="boss")
    with pytest.raises(IncorrectLookupParameters):
        admin.site.get_model_admin(Session).iterate_matching(request)


def test_every_list_has_all_its_rows(browser, many):
    record(Event.NAME_CHANGED, user=User.objects.get(username="boss"))
    for model in (User, SecurityEvent, Session):
        model_admin = admin.site.get_model_admin(model)
        request = RequestFactory().get("/")
        request.user = User.objects.get(username="boss")
        assert {row.pk for row in model_admin.iterate_matching(request)} == set(
            model.objects.values_list("pk", flat=True)
        )
