"""Reading the record: pages, filters, sentences, and what it costs."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from users.models import App, SecurityEvent, User
from users.origin import Origin
from users.record.describing import describe
from users.record.events import Event, Kind, events_of
from users.record.reading import entries, history_of_app, history_of_group, numbered_page, page_of
from users.record.writing import record

START = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def anna(db):
    return User.objects.create_user("anna")


def make(count, *, user=None, event=Event.LOGIN, start=START, step=HOUR):
    """Make entries, one in each ``step``. Two neighbours have the same time."""
    rows = [SecurityEvent(at=start + number // 2 * 2 * step, event=event, user=user) for number in range(count)]
    SecurityEvent.objects.bulk_create(rows)


def test_each_event_is_of_one_kind():
    assert sorted(event for kind in Kind for event in events_of(kind)) == sorted(Event)
    assert Event.PASSWORD_CHANGED.kind == Kind.ACCOUNT


def test_pages_follow_each_other_without_gap_or_repeat_even_if_times_are_equal(anna):
    make(7, user=anna)
    seen, after = [], None
    for _ in range(4):
        page = page_of(entries(user=anna), limit=2, after=after)
        seen += page.entries
        after = page.after
        make(1, user=anna, start=START + 100 * HOUR)  # a newer one moves no page
    assert after is None
    assert [entry.pk for entry in seen] == sorted((entry.pk for entry in seen), reverse=True)
    assert len(seen) == 7


def test_entries_are_filtered_by_user_event_kind_and_time(anna):
    make(2, user=anna)
    make(2, user=anna, event=Event.NAME_CHANGED)
    make(2)
    make(2, user=anna, event=Event.BULK_ORDER, start=START + 10 * HOUR)
    count = lambda **filters: entries(**filters).count()  # noqa: E731
    assert (count(), count(user=anna), count(events=[Event.LOGIN]), count(kinds=[Kind.ACCOUNT])) == (8, 6, 4, 2)
    assert count(events=[Event.LOGIN], kinds=[Kind.ORDERS]) == 6
    assert (count(since=START + 10 * HOUR), count(until=START + 10 * HOUR)) == (2, 6)


def test_the_history_of_an_app_and_of_a_group_is_found(db):
    app, other = App.objects.create(name="Shop"), App.objects.create(name="Other")
    for which in (app, other):
        record(Event.APP_CREATED, app=which)
        record(Event.LOGIN, app=which)
    record(Event.GROUP_CREATED, group=1, name="Desk")
    record(Event.GROUP_CREATED, group=2, name="Others")
    assert [(entry.event, entry.app) for entry in history_of_app(app)] == [(Event.APP_CREATED, app)]
    assert [entry.details["name"] for entry in history_of_group(1)] == ["Desk"]


def test_the_list_with_numbers_ends_and_counts_no_further(anna, monkeypatch):
    monkeypatch.setattr("users.record.reading.MOST_COUNTED", 5)
    make(8, user=anna)
    sizes = [len(numbered_page(entries(), per_page=3, page=page)[0]) for page in (1, 2, 3, 1_000_000)]
    assert sizes == [3, 2, 0, 0]
    assert numbered_page(entries(), per_page=3, page=1)[1] == 5


def test_a_page_of_one_user_reads_no_entries_of_others(anna):
    make(3000)
    make(30, user=anna)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE users_securityevent")
    with CaptureQueriesContext(connection) as captured:
        page_of(entries(user=anna), limit=10)
    (query,) = captured.captured_queries
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {query['sql']}")
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "event_of_user" in plan
    assert "Seq Scan on users_securityevent" not in plan


def sentences(**facts):
    entry = SecurityEvent(**{"details": {}, "operator": "", "ip": "192.0.2.9", **facts})
    return describe(entry, to_staff=False), describe(entry, to_staff=True)


def test_a_user_is_not_told_which_staff_acted_nor_from_where(anna):
    boss = User(username="boss")
    own, by_staff = (
        sentences(event="password_changed", user=anna, actor=anna),
        sentences(event="password_changed", user=anna, actor=boss),
    )
    assert own == (
        "The password was changed, from 192.0.2.9.",
        "anna: the password was changed, from 192.0.2.9.",
    )
    assert by_staff == (
        "The password was changed by our staff.",
        "anna: the password was changed by boss, from 192.0.2.9.",
    )
    by_operator = sentences(event="password_changed", user=anna, operator="root@host", ip=None)
    assert by_operator == (
        "The password was changed by our staff.",
        "anna: the password was changed by root@host.",
    )


@pytest.mark.parametrize(
    ("event", "details", "sentence"),
    [
        ("login_refused", {"reason": "known_place"}, "A log-in was refused: wrong password."),
        ("email_changed", {"changed": {"email": {"from": "a***@x.org", "to": ""}}},
         "The email was changed from a***@x.org to nothing."),
        ("groups_changed", {"changed": {"groups": {"added": ["A", "B"], "removed": ["C"]}}},
         "The groups were changed: groups added A, B and removed C."),
        (
            "name_changed",
            {"changed": {"name": {"from": "", "to": "A"}, "first_name": {"from": "B", "to": ""}}},
            "The name was changed: name from nothing to A; first name from B to nothing.",
        ),
        ("rights_changed", {"changed": {"is_staff": {"from": False, "to": True}}},
         "Staff status or permissions were changed: is staff from no to yes."),
        ("sessions_ended", {"count": 2}, "2 sessions were ended."),
        ("app_created", {"name": "Shop"}, "An app was created: Shop."),
        ("signing_keys_changed", {"step": "add", "forced": False}, "The keys that sign tokens were changed: step add."),
        ("signing_keys_changed", {"step": "drop", "forced": True},
         "The keys that sign tokens were changed: step drop; forced."),
        ("of_the_future", {}, "Of the future."),
    ],
)  # fmt: skip
def test_an_entry_is_described_in_one_sentence(event, details, sentence):
    assert sentences(event=event, details=details, ip=None)[0] == sentence


def test_every_event_has_a_sentence(anna):
    for event in Event:
        record(event, user=anna, origin=Origin(ip="192.0.2.1"))
    for entry in entries():
        assert ", from 192.0.2.1" in describe(entry, to_staff=False)
