"""Bulk runs that nobody waits for."""

from datetime import timedelta

import pytest
from django.db import connection, connections

from sessions.bulk import start_run
from sessions.demo_data import make_sessions, make_users
from sessions.models import BulkRun, Session
from sessions.runs import carry_out, lock_key, take_up
from sessions.selection import Selection
from sessions.timeouts import sweep


@pytest.fixture
def run(db, monkeypatch):
    monkeypatch.setattr("sessions.bulk.BATCH", 10)
    for batch in (make_users(10), make_sessions(40, users=10)):
        list(batch)
    return new_run()


def new_run(source=BulkRun.Source.ADMIN):
    return start_run(Selection(platforms=("Android", "iOS")), source=source, note="", expected=40)


def left():
    return Session.objects.filter(ended_at=None, platform__in=["Android", "iOS"]).count()


def test_a_run_whose_worker_died_is_taken_up_by_the_sweep(run):
    asked = iter([False, True])
    carry_out(run.pk, lambda: next(asked))  # two batches, then the worker is gone
    assert left() == run.expected - 20
    sweep()
    run.refresh_from_db()
    assert (left(), run.ended) == (0, run.expected)
    assert run.finished_at


def test_a_run_that_somebody_carries_out_is_left_to_them(run):
    other = connections.create_connection("default")
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s, %s)", lock_key(run.pk))
            carry_out(run.pk)
            assert left() == run.expected
    finally:  # however it ends: a killed worker takes its lock along
        other.connection.close()
        other.close_pool()
    # PostgreSQL lets go of it a moment after we have hung up.
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s, %s)", lock_key(run.pk))
        cursor.execute("SELECT pg_advisory_unlock(%s, %s)", lock_key(run.pk))
    carry_out(run.pk)
    assert left() == 0


def test_an_operators_command_that_was_interrupted_waits_for_the_operator(run):
    BulkRun.objects.update(source=BulkRun.Source.COMMAND)
    take_up()
    assert left() == run.expected


def test_a_run_that_fails_does_not_keep_the_next_one_waiting(run, monkeypatch, caplog):
    from sessions import runs

    second = start_run(Selection(platforms=("Windows",)), source=BulkRun.Source.ADMIN, note="", expected=40)
    real = runs.sweep_run
    monkeypatch.setattr(runs, "sweep_run", lambda each: real(each) if each.pk == second.pk else 1 / 0)
    take_up()
    assert f"the run {run.pk} failed" in caplog.text
    second.refresh_from_db()
    assert second.finished_at
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()")
        assert cursor.fetchone() == (0,)


def test_a_run_that_is_over_is_not_carried_out_again(run):
    carry_out(run.pk)
    run.refresh_from_db()
    before = run.finished_at
    carry_out(run.pk)
    run.refresh_from_db()
    assert run.finished_at == before


def test_a_run_that_is_taken_up_means_those_who_were_logged_in_when_it_was_ordered(run):
    asked = iter([True])
    carry_out(run.pk, lambda: next(asked))
    Session.objects.filter(platform="Windows").update(platform="iOS", created_at=run.as_of + timedelta(microseconds=1))
    since = left() - (run.expected - 10)
    assert since > 0
    take_up()
    assert left() == since
