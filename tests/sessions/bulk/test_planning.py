"""Statistics for PostgreSQL's planner, which a bulk run collects if there are none."""

import re
from contextlib import contextmanager

import psycopg
import pytest
from django.db import connection, transaction

from sessions.bulk import planning
from sessions.bulk.planning import collect_missing_statistics
from sessions.bulk.runs import start_run, sweep_run
from sessions.models import BulkRun, Session
from sessions.selection.selection import Selection
from tests.servers import test_database_url
from tests.sessions.population import new_session

FEW = 30  # autovacuum analyses a table after 50 changes


@pytest.fixture
def unknown(transactional_db, monkeypatch):
    """Sessions in a table that PostgreSQL believes to be empty. It counts as a large one."""
    monkeypatch.setattr(planning, "_SMALL", 0)
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE user_sessions_session CASCADE")  # PostgreSQL forgets the size of the table
    for _ in range(FEW):
        new_session()


def sweep():
    run = start_run(Selection(everyone=True), source=BulkRun.Source.COMMAND, note="Leak", expected=FEW)
    return list(sweep_run(run))


def test_a_run_collects_statistics_about_tables_that_postgresql_does_not_know_and_only_once(unknown, caplog):
    assert sweep() == [FEW]
    assert re.search("collected statistics about user_sessions_session.* before a bulk run", caplog.text)
    with connection.cursor() as cursor:
        cursor.execute("SELECT reltuples FROM pg_class WHERE oid = 'user_sessions_session'::regclass")
        assert cursor.fetchone() == (FEW,)
    assert "user_sessions_session" not in collect_missing_statistics()


def test_a_table_that_has_grown_to_more_than_twice_its_size_is_analysed_again(unknown):
    assert "user_sessions_session" in collect_missing_statistics()
    for _ in range(5 * FEW):
        new_session()
    assert "user_sessions_session" in collect_missing_statistics()


def test_a_run_goes_on_if_the_statistics_cannot_be_collected(unknown, monkeypatch, caplog):
    monkeypatch.setattr(planning, "_LONGEST_WAIT", "10ms")
    with psycopg.connect(test_database_url()) as vacuum:
        vacuum.execute("LOCK TABLE user_sessions_session IN SHARE UPDATE EXCLUSIVE MODE")
        assert sweep() == [FEW]
    assert "goes on without new statistics about the tables: canceling statement due to lock timeout" in caplog.text
    assert not Session.objects.filter(ended_at=None).exists()


@contextmanager
def role_of_another():
    """Act as a role that may read and write the rows of all tables, and owns none."""
    rights = "SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public"
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"CREATE ROLE writer; GRANT {rights} TO writer; SET LOCAL ROLE writer")
        yield
        transaction.set_rollback(True)


def test_the_log_does_not_claim_statistics_that_the_role_may_not_collect(unknown, caplog):
    with role_of_another():
        assert "user_sessions_session" in collect_missing_statistics()
    assert "no statistics about user_sessions_session" in caplog.text
    assert "collected statistics" not in caplog.text


def test_a_logout_of_single_sessions_waits_for_no_statistics(unknown, caplog):
    ids = tuple(str(pk) for pk in Session.objects.values_list("pk", flat=True)[:2])
    run = start_run(Selection(sessions=ids), source=BulkRun.Source.ADMIN, note="", expected=2)
    assert list(sweep_run(run)) == [2]
    assert "statistics" not in caplog.text


def test_a_run_inside_a_transaction_takes_no_lock_on_a_table(unknown):
    with transaction.atomic():
        assert sweep() == [FEW]
    assert "user_sessions_session" in collect_missing_statistics()
