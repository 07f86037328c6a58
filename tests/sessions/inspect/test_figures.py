"""The dashboard's figures stay true: after an order, after midnight, and while servers don't count."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.db import connection
from django.test import Client

from sessions.bulk.control import stop_run
from sessions.bulk.orders import end_as_staff
from sessions.bulk.resume import carry_out
from sessions.inspect.dashboard import Dashboard, dashboard
from sessions.inspect.statistics import count_after_runs, count_figures
from sessions.logout import end_sessions
from sessions.management.demo_data import make_sessions, make_users
from sessions.models import EndReason, Figure, Session
from sessions.selection.selection import Selection
from sessions.upkeep.sweeper import sweep
from tests.phones import PASSWORD, InProcess, ZapPhone
from tests.sessions.staff import browser_of, is_in, new_staff
from users.models import App, User
from users.origin import NOWHERE

pytestmark = pytest.mark.usefixtures("nobody_yet")
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def make(live=0, ended=0):
    for batch in (make_users(20), make_sessions(live, users=20), make_sessions(ended, users=20, ended=True)):
        list(batch)


def stored_live() -> int:
    return sum(Figure.objects.filter(kind=Figure.Kind.LIVE).values_list("count", flat=True))


def live_at_the_end_of_past_days(shown: Dashboard) -> list[int | None]:
    return [column.total for column in shown.live_by_day.columns[:-1]]


def assert_parts_add_up(shown: Dashboard) -> None:
    assert sum(part.count for part in shown.by_platform) == shown.live
    assert sum(part.count for part in shown.by_app) == shown.live
    assert shown.live_by_day.today.total == shown.live
    for chart in (shown.ended, shown.refused):
        for column in chart.columns:
            assert sum(part.count for part in column.parts) == column.total
        assert sum(part.count for part in chart.legend) == chart.total


def test_an_order_that_ends_ten_thousand_sessions_leaves_past_days_as_they_were(db):
    make(live=10_000, ended=500)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")  # as autovacuum does. Plans for empty tables would take seconds
    count_figures()
    before = dashboard()
    run = end_as_staff(Selection(everyone=True), actor=new_staff(name="boss"), origin=NOWHERE, note="test")
    carry_out(run.pk)
    run.refresh_from_db()
    assert run.ended > 9_000
    after = dashboard()  # before the servers count again
    assert live_at_the_end_of_past_days(after) == live_at_the_end_of_past_days(before)
    assert before.live_by_day.columns[-2].total > 9_000
    assert after.live == before.live - run.ended == Session.objects.filter(ended_at=None).count()
    assert after.ended.today.total == before.ended.today.total + run.ended
    assert_parts_add_up(before)
    assert_parts_add_up(after)
    count_figures()
    again = dashboard()
    assert live_at_the_end_of_past_days(again) == live_at_the_end_of_past_days(before)
    assert (again.live, again.ended.today.total) == (after.live, after.ended.today.total)


def test_a_session_that_ends_later_and_is_pruned_does_not_change_an_earlier_day(db):
    with time_machine.travel(NOON, tick=False) as clock:
        for _ in range(3):
            ZapPhone(InProcess()).sign_up()
        clock.shift(timedelta(days=1))
        sweep()
        assert live_at_the_end_of_past_days(dashboard())[-1] == 3
        one = Session.objects.order_by("pk")[:1]
        end_sessions(Session.objects.filter(pk__in=one), actor=None, reason=EndReason.STAFF)
        assert live_at_the_end_of_past_days(dashboard())[-1] == 3
        clock.shift(timedelta(days=1))
        Session.objects.exclude(ended_at=None).delete()
        sweep()
        shown = dashboard()
    assert live_at_the_end_of_past_days(shown)[-2:] == [3, 2]
    assert shown.live == 2


def test_a_logout_whose_commit_came_after_the_count_is_counted(db):
    phones = [ZapPhone(InProcess()).sign_up() for _ in range(3)]
    count_figures()
    # Its time is that of the request, and the count was taken between the two.
    Session.objects.filter(user_id=phones[0].user_id).update(
        ended_at=Figure.objects.latest("counted_at").counted_at + timedelta(seconds=1), end_reason=EndReason.LOGOUT
    )
    shown = dashboard()
    assert (shown.live, shown.ended.today.total) == (2, 1)
    assert_parts_add_up(shown)


def test_the_figures_are_true_after_midnight_though_no_server_has_counted_since(db):
    with time_machine.travel(NOON, tick=False) as clock:
        phones = [ZapPhone(InProcess()).sign_up() for _ in range(4)]
        sweep()
        clock.shift(timedelta(hours=1))
        phones[0].log_out()
        clock.shift(timedelta(days=1))
        phones[1].log_out()
        ZapPhone(InProcess()).sign_up()
        shown = dashboard()
        assert live_at_the_end_of_past_days(shown)[-1] == 3
        assert (shown.live, shown.opened_today, shown.ended.today.total) == (3, 1, 1)
        assert [column.total for column in shown.ended.columns[-2:]] == [1, 1]
        assert_parts_add_up(shown)
        count_figures()
        assert dashboard() == shown


def test_a_platform_and_an_app_that_are_new_since_the_count_are_shown(db):
    count_figures()
    phone = ZapPhone(InProcess()).sign_up()
    Session.objects.filter(user_id=phone.user_id).update(platform="Amiga")
    shown = dashboard()
    assert [(part.label, part.count) for part in shown.by_platform] == [("Amiga", 1)]
    assert [(part.label, part.count) for part in shown.by_app] == [("ZAP", 1)]


def test_many_platforms_are_shown_as_ten_and_the_others(db):
    make(live=60)
    for number, session in enumerate(Session.objects.all()):
        Session.objects.filter(pk=session.pk).update(platform=f"platform {number % 15:02}")
    shown = dashboard()
    assert len(shown.by_platform) == 11
    assert (shown.by_platform[-1].label, shown.by_platform[-1].count) == ("5 others", 20)
    assert_parts_add_up(shown)


def test_the_page_says_what_an_order_that_is_at_work_has_not_ended_yet(db):
    make(live=200)
    boss = new_staff(name="boss")
    run = end_as_staff(Selection(everyone=True), actor=boss, origin=NOWHERE, note="test")
    assert dashboard().being_ended == 0
    type(run).objects.filter(pk=run.pk).update(finished_at=None, expected=500)
    assert dashboard().being_ended == 300
    assert stop_run(run.pk, actor=boss, origin=NOWHERE, note="")
    assert dashboard().being_ended == 0


def test_the_sessions_of_an_app_that_is_switched_off_leave_today_and_stay_in_the_past(db):
    make(live=100)
    count_figures()
    before = dashboard()
    App.objects.filter(name="Demo").update(is_active=False)
    after = dashboard()
    assert after.live < before.live
    assert live_at_the_end_of_past_days(after) == live_at_the_end_of_past_days(before)
    assert_parts_add_up(after)


def test_large_changes_since_the_last_count_make_a_worker_count_again_after_the_answer(db, monkeypatch):
    jobs = []
    monkeypatch.setattr("sessions.inspect.figures.after_commit", jobs.append)
    monkeypatch.setattr("sessions.inspect.figures.MANY_CHANGES", 50)
    make(live=200)
    count_figures()
    dashboard()
    assert not jobs
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=3), tick=False):
        end_sessions(Session.objects.all(), actor=None, reason=EndReason.STAFF)
        dashboard()
        assert len(jobs) == 1
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=6), tick=False):
        jobs[0]()
        dashboard()
        assert len(jobs) == 1


def test_a_server_counts_again_after_a_large_run_so_that_the_next_page_has_little_to_add(db, monkeypatch):
    monkeypatch.setattr("sessions.inspect.statistics.MANY_CHANGES", 50)
    make(live=200)
    count_figures()
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=3), tick=False):
        count_after_runs()
        assert stored_live() == 200
        end_as_staff(Selection(everyone=True), actor=new_staff(name="boss"), origin=NOWHERE, note="Leak")
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=4), tick=False):
        count_after_runs()
        assert stored_live() == 0


def test_the_part_that_a_page_refreshes_is_what_the_page_shows_and_needs_the_same_permissions(db):
    make(live=30)
    browser = browser_of(new_staff("Support", name="sven"))
    part = browser.get("/admin/figures/").content.decode()
    assert '<b id="live-now">31</b>' in part
    assert "Last bulk runs" in part
    assert "<html" not in part
    nobody = browser_of(User.objects.create_user("new", PASSWORD, is_staff=True))
    assert nobody.get("/admin/figures/").status_code == 403
    assert Client().get("/admin/figures/").status_code == 302


def test_a_page_that_refreshes_itself_keeps_no_session_alive(db, settings):
    settings.STAFF_IDLE_TIMEOUT = timedelta(hours=1)
    with time_machine.travel(NOON, tick=False) as clock:
        browser = browser_of(new_staff("Support", name="sven"))
        for _ in range(5):
            clock.shift(timedelta(minutes=10))
            assert browser.get("/admin/figures/", headers={"X-By-Itself": "1"}).status_code == 200
        clock.shift(timedelta(minutes=11))
        assert browser.get("/admin/figures/", headers={"X-By-Itself": "1"}).status_code == 302
        assert not is_in(browser)


def test_no_other_page_can_be_used_without_a_trace(db):
    with time_machine.travel(NOON, tick=False) as clock:
        sven = new_staff("Support", name="sven")
        browser = browser_of(sven)
        clock.shift(timedelta(minutes=30))
        assert browser.get("/admin/users/user/", headers={"X-By-Itself": "1"}).status_code == 200
        assert Session.objects.get(user=sven).last_seen_at == NOON + timedelta(minutes=30)


def test_a_page_that_staff_open_keeps_their_session_alive(db, settings):
    settings.STAFF_IDLE_TIMEOUT = timedelta(hours=1)
    with time_machine.travel(NOON, tick=False) as clock:
        browser = browser_of(new_staff("Support", name="sven"))
        for _ in range(3):
            clock.shift(timedelta(minutes=50))
            assert is_in(browser)
