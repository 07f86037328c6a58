"""Bulk runs are stopped between two batches and continued, and tell when they are done."""

from dataclasses import replace
from datetime import timedelta
from io import StringIO

import pytest
import time_machine
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import transaction

from sessions.bulk.control import continue_run, expected_end, stop_run, time_left
from sessions.bulk.resume import at_work, carry_out, state_of, take_up
from sessions.bulk.runs import start_run, sweep_run
from sessions.management.operators import STOPPED
from sessions.models import BulkRun, Session
from sessions.selection.selection import Selection
from tests.locks import count_waiting, is_waited_for
from tests.phones import InProcess, ZapPhone
from tests.sessions.population import new_session
from tests.sessions.staff import browser_of, new_staff, told
from tests.threads import other_threads
from tests.waiting import wait_until
from users.errors import NotYours
from users.models import SecurityEvent, User
from users.origin import Origin
from users.permissions import Act, may

NO_TIME = timedelta(0)
HERE = Origin(ip="192.0.2.1")
IOS = Selection(platforms=("iOS",))


@pytest.fixture
def thirty(db, monkeypatch):
    """Three batches of sessions."""
    monkeypatch.setattr("sessions.bulk.runs.BATCH", 10)
    return [new_session(platform="iOS") for _ in range(30)]


def order(selection=IOS, source=BulkRun.Source.ADMIN, **facts):
    return start_run(selection, source=source, note="Leak", expected=30, **facts)


def stop(run, actor):
    return stop_run(run.pk, actor=actor, origin=HERE, note="Wrong filter")


def left():
    return Session.objects.filter(ended_at=None, platform="iOS").count()


def page_of(browser, run):
    return browser.get(f"/admin/user_sessions/bulkrun/{run.pk}/change/").content.decode()


def control(browser, run, what, **answers):
    """Press the button `stop` or `continue`, and confirm."""
    url = f"/admin/user_sessions/bulkrun/{run.pk}/{what}/"
    return browser.post(url, {"note": "Wrong filter", **answers}, follow=True)


def test_a_run_stops_after_the_batch_that_is_under_way_and_says_who_stopped_it(thirty, olga):
    run, browser = order(actor=olga), browser_of(olga)
    sweeping = sweep_run(run)
    next(sweeping)
    page = control(browser, run, "stop")
    assert "It has ended 10 of 30 sessions" in told(page)
    assert list(sweeping) == []
    run.refresh_from_db()
    assert (run.ended, left(), run.finished_at) == (10, 20, None)
    assert (run.stopped_by, state_of(run)) == (olga, "stopped")
    text = page.content.decode()
    assert "olga stopped it" in text
    assert "Wrong filter" in text  # why she did
    assert "The sessions that it has not ended stay as they are" in text
    assert "every 1s" not in text
    entry = SecurityEvent.objects.get(event="run_stopped")
    assert (entry.actor, entry.ip) == (olga, "127.0.0.1")
    assert entry.details == {"run": str(run.pk), "ended": 10, "expected": 30, "note": "Wrong filter"}


def test_a_stopped_run_is_not_resumed_by_itself(thirty, olga):
    run = order(actor=olga)
    assert stop(run, olga)
    take_up(min_age=NO_TIME)
    carry_out(run.pk)
    assert left() == 30


def test_a_stopped_run_is_continued_by_a_button_without_the_sessions_that_were_opened_since(thirty, olga):
    # An operator's orders leave superusers out.
    run, browser = order(replace(IOS, spare_superusers=True), actor=olga), browser_of(olga)
    next(sweep_run(run))
    stop(run, olga)
    later = new_session(platform="iOS")
    assert "/continue/" in page_of(browser, run)
    assert "goes on" in told(control(browser, run, "continue"))
    take_up(min_age=NO_TIME)
    run.refresh_from_db()
    assert (run.ended, run.expected, run.stopped_at, run.stopped_by) == (30, 30, None, None)
    assert run.finished_at
    later.refresh_from_db()
    assert later.ended_at is None
    assert [entry.event for entry in SecurityEvent.objects.filter(event__startswith="run_").order_by("pk")] == [
        "run_stopped",
        "run_continued",
    ]


def test_a_stopped_run_goes_on_if_the_same_order_is_given_again(thirty, olga):
    run = order(actor=olga)
    next(sweep_run(run))
    stop(run, olga)
    again = order(actor=olga)
    assert (again.pk, again.stopped_at) == (run.pk, None)
    carry_out(again.pk)
    assert (left(), BulkRun.objects.count()) == (0, 1)


def test_what_a_cut_off_refuses_stays_refused_and_the_page_says_so(db, olga):
    phone = ZapPhone(InProcess()).sign_up("ann")
    run = order(Selection(users=(phone.user_id,)), actor=olga)
    stop(run, olga)
    assert phone.me().status == 401
    assert Session.objects.get(user=phone.user_id).ended_at is None
    text = page_of(browser_of(olga), run)
    assert "were refused at the time of the order, and stay refused" in text
    assert "stays refused" not in text


def test_the_question_says_what_stopping_leaves(thirty, olga):
    browser, run = browser_of(olga), order(actor=olga)
    url = f"/admin/user_sessions/bulkrun/{run.pk}/stop/"
    assert "their tokens go on working" in browser.get(url).content.decode()
    cut_off = order(Selection(users=(User.objects.create_user("ann").pk,)), actor=olga)
    assert "stay refused" in browser.get(url.replace(str(run.pk), str(cut_off.pk))).content.decode()
    assert "This field is required" in browser.post(url, {"note": " "}).content.decode()
    assert BulkRun.objects.filter(stopped_at=None).count() == 2


def test_a_run_that_is_done_or_stopped_is_not_stopped(thirty, olga):
    run, browser = order(actor=olga), browser_of(olga)
    stop(run, olga)
    assert not stop(run, olga)
    assert "nothing to stop" in told(control(browser, run, "stop"))
    order(actor=olga)
    carry_out(run.pk)
    assert not stop(run, olga)
    assert not continue_run(run.pk, actor=olga, origin=HERE, note="")
    assert "nothing to stop" in told(control(browser, run, "stop"))
    assert "not stopped" in told(control(browser, run, "continue"))
    run.refresh_from_db()
    assert (run.stopped_at, state_of(run)) == (None, "done")


def test_only_superusers_stop_the_runs_of_superusers_and_of_commands(thirty, olga):
    boss, sven = new_staff(name="boss"), new_staff("Support", name="sven")
    theirs, command = order(actor=boss), order(source=BulkRun.Source.COMMAND)
    for run in (theirs, command):
        with pytest.raises(NotYours):
            stop(run, olga)
        assert control(browser_of(olga), run, "stop").status_code == 403
        assert "/stop/" not in page_of(browser_of(olga), run)
    own = order(actor=olga)
    assert control(browser_of(sven), own, "stop").status_code == 403
    assert not may(sven, Act.CONTROL_RUN)
    assert BulkRun.objects.filter(stopped_at=None).count() == 3
    assert all(stop(run, boss) for run in (theirs, command, own))
    with pytest.raises(NotYours):
        continue_run(theirs.pk, actor=olga, origin=HERE, note="")
    with pytest.raises(NotYours):  # no server resumes a command
        continue_run(command.pk, actor=boss, origin=HERE, note="")


def test_only_superusers_continue_a_run_that_ends_superusers_even_if_its_actor_is_none_any_more(thirty, olga):
    boss, former = new_staff(name="boss"), new_staff("Operators", name="former")
    User.objects.filter(pk=former.pk).update(is_superuser=True)
    everything, cut_off = order(actor=former), order(Selection(everyone=True), actor=former)
    spares = order(Selection(platforms=("iOS",), spare_superusers=True), actor=former)
    assert all(stop(run, boss) for run in (everything, cut_off, spares))
    User.objects.filter(pk=former.pk).update(is_superuser=False)
    for actor in (olga, User.objects.get(pk=former.pk)):
        with pytest.raises(NotYours):
            continue_run(everything.pk, actor=actor, origin=HERE, note="")
    assert control(browser_of(olga), everything, "continue").status_code == 403
    assert continue_run(cut_off.pk, actor=olga, origin=HERE, note="")  # it has refused all sessions already
    assert continue_run(spares.pk, actor=olga, origin=HERE, note="")
    assert continue_run(everything.pk, actor=boss, origin=HERE, note="")


def test_nobody_stops_the_correction_of_a_restored_backup(db):
    boss = new_staff(name="boss")
    run = order(Selection(record="yesterday"), source=BulkRun.Source.COMMAND)
    with pytest.raises(NotYours):
        stop(run, boss)


def test_a_command_whose_run_is_stopped_says_so_and_the_same_command_continues_it(thirty, olga, monkeypatch):
    boss, out = new_staff(name="boss"), StringIO()
    command = ["logout", "--platform", "iOS", "--reason", "Leak"]
    real = call_through_stop(monkeypatch, boss)
    with pytest.raises(CommandError, match="boss stopped it in the admin after 10 of 30") as error:
        call_command(*command, stdout=out)
    assert error.value.returncode == STOPPED
    assert left() == 20
    monkeypatch.setattr("sessions.management.commands.logout.sweep_run", real)
    call_command(*command, stdout=out)
    assert (left(), BulkRun.objects.get().ended) == (0, 30)


def call_through_stop(monkeypatch, boss):
    """Let ``boss`` stop the command's run after its first batch. Returns the original function."""

    def stopped_after_one(run):
        for count in sweep_run(run):
            stop(run, boss)
            yield count

    monkeypatch.setattr("sessions.management.commands.logout.sweep_run", stopped_after_one)
    return sweep_run


def test_a_stop_waits_for_the_batch_that_another_process_has_begun(transactional_db, monkeypatch):
    """Two workers: the batch of the first one is complete before the stop, and no other batch begins."""
    monkeypatch.setattr("sessions.bulk.runs.BATCH", 10)
    sessions = [new_session(platform="iOS") for _ in range(30)]
    boss = new_staff(name="boss")
    run = order(actor=boss)
    with other_threads() as do:
        # The first batch waits for a session that this thread holds.
        with transaction.atomic():
            held = Session.objects.filter(pk=min(session.pk for session in sessions))
            list(held.select_for_update(no_key=True))
            swept = do(carry_out, run.pk)
            wait_until(is_waited_for)
            stopping = do(stop, run, boss)
            wait_until(lambda: count_waiting() == 2)
            assert not stopping.done()
        assert stopping.result(20)
        swept.result(20)
    run.refresh_from_db()
    # The next batch may lock the run before the stop does. Then that one is complete, too.
    assert run.ended in (10, 20)
    assert (left(), run.finished_at) == (30 - run.ended, None)


def test_two_processes_that_work_on_one_run_both_stop(transactional_db, monkeypatch):
    monkeypatch.setattr("sessions.bulk.runs.BATCH", 10)
    for _ in range(30):
        new_session(platform="iOS")
    boss = new_staff(name="boss")
    run = order(actor=boss, source=BulkRun.Source.COMMAND)
    one, other = sweep_run(run), sweep_run(run)
    assert (next(one), next(other)) == (10, 20)
    stop(run, boss)
    assert (list(one), list(other)) == ([], [])
    assert left() == 10


# --- How far it is ------------------------------------------------------------------------------


def test_a_run_tells_when_it_is_done_by_its_speed_since_it_was_taken_up(thirty, olga, monkeypatch):
    monkeypatch.setattr("sessions.bulk.control._ENOUGH", 10)
    with time_machine.travel("2027-03-01T12:00:00Z", tick=False) as clock:
        run = order(actor=olga)
        clock.shift(timedelta(hours=1))  # nobody worked on it; that is not its speed
        sweeping = sweep_run(run)
        next(sweeping)
        run.refresh_from_db()
        assert expected_end(run) is None  # no time has passed in its first batch
        clock.shift(timedelta(seconds=10))
        next(sweeping)
        run.refresh_from_db()
        # 20 sessions took ten seconds, so ten more take five.
        assert expected_end(run) == run.swept_since + timedelta(seconds=15)
        clock.shift(timedelta(seconds=2))
        assert time_left(run) == timedelta(seconds=3)
        clock.shift(timedelta(minutes=1))
        assert time_left(run) == NO_TIME


def test_the_page_says_when_it_is_done_while_somebody_works_on_it(thirty, olga):
    run = order(actor=olga)
    browser = browser_of(olga)
    now = run.as_of
    worked = {"swept_since": now - timedelta(minutes=4), "last_batch_at": now}
    BulkRun.objects.update(expected=2000, swept_from=0, ended=1000, **worked)
    with at_work(run.pk):
        text = page_of(browser, run)
    assert "Done in about 4 minutes" in text
    assert "every 1s" in text


def test_the_page_says_since_when_nobody_works_on_it(thirty, olga):
    with time_machine.travel("2027-03-01T14:03:00Z", tick=False) as clock:
        run, browser = order(actor=olga), browser_of(olga)
        next(sweep_run(run))
        clock.shift(timedelta(minutes=5))
        text = page_of(browser, run)
        assert "Nobody works on it since 14:03 UTC" in text
        assert "A server resumes it within ten seconds" in text
        command = order(source=BulkRun.Source.COMMAND)
        assert "Give the same command again" in page_of(browser, command)
