"""Bulk runs in the background, and runs whose worker died."""

import re
from contextlib import closing
from datetime import timedelta

import psycopg
import pytest
import time_machine
from django.db import connection
from uuid6 import uuid7

from sessions.bulk import resume, runs
from sessions.bulk.resume import FIRST_TRY, LeftRuns, at_work, carry_out, left_runs, lock_key, state_of, take_up
from sessions.bulk.runs import start_run
from sessions.management.demo_data import make_sessions, make_users
from sessions.models import BulkRun, Session
from sessions.selection.selection import Selection
from tests.sessions.staff import browser_of, new_staff
from tests.waiting import wait_until
from users.clock import database_now

NO_TIME = timedelta(0)


@pytest.fixture
def run(db, monkeypatch):
    monkeypatch.setattr("sessions.bulk.runs.BATCH", 10)
    for batch in (make_users(10), make_sessions(40, users=10)):
        list(batch)
    return new_run()


def new_run(source=BulkRun.Source.ADMIN):
    return start_run(Selection(platforms=("Android", "iOS")), source=source, note="", expected=40)


def left():
    return Session.objects.filter(ended_at=None, platform__in=["Android", "iOS"]).count()


def test_a_run_whose_worker_died_is_resumed_and_logged(run, caplog):
    asked = iter([False, True])
    carry_out(run.pk, lambda: next(asked))  # two batches are done, then the worker dies
    assert left() == run.expected - 20
    take_up(min_age=NO_TIME)
    run.refresh_from_db()
    assert (left(), run.ended) == (0, run.expected)
    assert run.finished_at
    assert f"bulk run {run.pk} was left with 20 of {run.expected} sessions ended" in caplog.text


def test_a_run_that_has_just_been_ordered_is_left_to_the_worker_that_took_the_order(run):
    take_up()
    assert left() == run.expected
    with time_machine.travel(run.as_of + FIRST_TRY):
        take_up()
    assert left() == 0


def claimed_by_another(run):
    """The connection of a worker that carries out the run. Closing it has the effect of a kill."""
    other = psycopg.connect(**connection.get_connection_params())
    other.execute("SELECT pg_advisory_xact_lock(%s, %s)", lock_key(run.pk))
    return closing(other)


def test_a_run_that_somebody_carries_out_is_left_to_them(run):
    with claimed_by_another(run):
        carry_out(run.pk)
        assert left() == run.expected
    wait_until(lambda: state_of(run) == "waiting")
    carry_out(run.pk)
    assert left() == 0


def test_staff_see_whether_a_run_waits_is_running_or_done(run):
    browser = browser_of(new_staff(name="boss"))
    pages = [f"/admin/user_sessions/bulkrun/{run.pk}/change/", "/admin/user_sessions/bulkrun/", "/admin/"]

    def shown():
        tags = [
            re.findall(r">\s*(done|running|waiting|stopped)\s*<", browser.get(page).content.decode(), re.IGNORECASE)
            for page in pages
        ]
        assert tags[0] == tags[1] == tags[2]
        return tags[0]

    assert shown() == ["waiting"]
    with claimed_by_another(run):
        assert shown() == ["running"]
    wait_until(lambda: state_of(run) == "waiting")
    carry_out(run.pk)
    assert shown() == ["done"]


def test_the_page_of_a_run_that_waits_says_so_and_refreshes_itself(run):
    page = browser_of(new_staff(name="boss")).get(f"/admin/user_sessions/bulkrun/{run.pk}/change/").content.decode()
    assert "A server resumes it within ten seconds" in page
    assert 'hx-trigger="every 1s"' in page


def test_a_run_that_is_finished_after_it_was_read_does_not_wait(run):
    read_before = BulkRun.objects.get()
    carry_out(run.pk)
    assert state_of(read_before) == "done"
    assert read_before.ended == run.expected


def test_an_operators_run_is_running_while_its_command_works_on_it(run):
    BulkRun.objects.update(source=BulkRun.Source.COMMAND)
    run.refresh_from_db()
    assert state_of(run) == "waiting"
    with at_work(run.pk):
        assert state_of(run) == "running"
        with at_work(run.pk):  # a second command may work on the same run
            assert state_of(run) == "running"
        assert state_of(run) == "running"
    wait_until(lambda: state_of(run) == "waiting")
    run.finished_at = database_now()
    assert state_of(run) == "done"


def test_interrupted_runs_are_found_by_index(run):
    done = BulkRun.objects.values().get() | {"finished_at": database_now()}
    BulkRun.objects.bulk_create(BulkRun(**done | {"id": uuid7()}) for _ in range(1000))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE user_sessions_bulkrun")
    assert "bulk_run_unfinished" in left_runs().explain()


def test_an_operators_command_that_was_interrupted_waits_for_the_operator(run):
    BulkRun.objects.update(source=BulkRun.Source.COMMAND)
    take_up(min_age=NO_TIME)
    assert left() == run.expected


def test_a_run_that_fails_does_not_keep_the_next_one_waiting(run, monkeypatch, caplog):
    from sessions.bulk import resume

    second = start_run(Selection(platforms=("Windows",)), source=BulkRun.Source.ADMIN, note="", expected=40)
    real = resume.sweep_run
    monkeypatch.setattr(resume, "sweep_run", lambda each: real(each) if each.pk == second.pk else 1 / 0)
    failed = set()
    for _ in range(3):
        take_up(min_age=NO_TIME, failed=failed)
    assert caplog.text.count(f"the run {run.pk} failed") == 1
    second.refresh_from_db()
    assert second.finished_at
    wait_until(lambda: state_of(run) == "waiting")


def test_runs_take_turns_and_one_whose_sessions_are_still_accepted_comes_first(run, monkeypatch, caplog):
    monkeypatch.setattr(resume, "TURN", NO_TIME)
    everyone = start_run(Selection(everyone=True), source=BulkRun.Source.ADMIN, note="", expected=40)
    BulkRun.objects.filter(pk=everyone.pk).update(started_at=run.started_at - timedelta(minutes=1))
    monkeypatch.setattr(resume, "AT_ONCE", 0)  # they are long ones here, but not for a real server
    turns, real, begun = [], resume.sweep_run, set()

    def sweep(each):
        for so_far in real(each):
            turns.append(each.pk)
            yield so_far

    monkeypatch.setattr(resume, "sweep_run", sweep)
    while left_runs().exists():
        take_up(begun=begun)
    assert turns[:4] == [run.pk, everyone.pk] * 2
    assert (left(), begun) == (0, set())
    assert "was left with" not in caplog.text


def test_a_run_goes_on_beyond_its_turn_if_no_other_one_waits(run, monkeypatch):
    monkeypatch.setattr(resume, "TURN", NO_TIME)
    other = start_run(Selection(platforms=("Windows",)), source=BulkRun.Source.ADMIN, note="", expected=40)
    monkeypatch.setattr(resume, "AT_ONCE", 0)
    with claimed_by_another(other):
        take_up()
    run.refresh_from_db()
    assert run.finished_at


def test_runs_that_take_turns_finish_although_an_old_transaction_is_open(transactional_db, monkeypatch):
    for batch in (make_users(10), make_sessions(40, users=10)):
        list(batch)
    # As in production, a turn is as long as the wait for transactions that began before the order.
    monkeypatch.setattr(resume, "TURN", timedelta(seconds=runs.LONGEST_WAIT / 50))
    monkeypatch.setattr(runs, "LONGEST_WAIT", runs.LONGEST_WAIT / 50)
    with psycopg.connect(**connection.get_connection_params()) as backfill:
        backfill.execute("SELECT pg_current_xact_id()")  # it has written something
        ordered = [
            start_run(Selection(platforms=(name,)), source=BulkRun.Source.ADMIN, note="", expected=40)
            for name in ("Android", "iOS")
        ]
        monkeypatch.setattr(resume, "AT_ONCE", 0)

        def are_done():
            take_up()
            return not left_runs().exists()

        with time_machine.travel(ordered[-1].as_of + runs.NO_LOG_IN_AFTER):
            wait_until(are_done)  # a real server that runs for other tests may take one of them up


def test_a_run_that_is_over_is_not_carried_out_again(run):
    carry_out(run.pk)
    run.refresh_from_db()
    before = run.finished_at
    carry_out(run.pk)
    run.refresh_from_db()
    assert run.finished_at == before


def test_a_resumed_run_ends_the_sessions_that_were_open_at_the_order(run):
    asked = iter([True])
    carry_out(run.pk, lambda: next(asked))
    Session.objects.filter(platform="Windows").update(platform="iOS", created_at=run.as_of + timedelta(microseconds=1))
    since = left() - (run.expected - 10)
    assert since > 0
    take_up(min_age=NO_TIME)
    assert left() == since


def test_a_servers_thread_gives_a_run_the_time_that_its_preview_had(transactional_db, monkeypatch):
    limits = []

    def look(*_, **__):
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('statement_timeout'), current_setting('lock_timeout')")
            limits.append(cursor.fetchone())

    monkeypatch.setattr(resume, "take_up", look)
    runs = LeftRuns()
    runs.start()
    wait_until(lambda: limits)
    runs.stop()
    assert limits[0] == ("30s", "5s")
