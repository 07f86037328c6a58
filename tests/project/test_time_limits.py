"""The time limits for locks and statements. Requests, pages, commands and migrations each have their own."""

import os
import subprocess
import sys
import threading
from contextlib import suppress
from datetime import timedelta
from types import SimpleNamespace

import psycopg
import pytest
from django.db import DataError, IntegrityError, InterfaceError, OperationalError, connection, connections, transaction
from django.http import HttpResponse
from django.test import RequestFactory

from sessions.jobs.call import Call
from sessions.jobs.deferring import JOBS, Job, Queue
from sessions.jobs.table import Taken
from sessions.jobs.worker import QueueWorker
from sessions.upkeep import sweeper
from tests.environment import ROOT
from tests.phones import InProcess
from tests.servers import MAY_SERVE, free_port, test_environment
from users.clock import database_now
from users.database_use import Use, serve, served, used_for
from users.models import User
from zapauth import migrating
from zapauth.pages import DatabaseMiddleware
from zapauth.unavailable import Unavailable, find_unavailable


def limits():
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('lock_timeout'), current_setting('statement_timeout')")
        return cursor.fetchone()


@pytest.fixture
def own_connection(transactional_db):
    """Let the test borrow its own connection from the pool, as a request does."""
    connection.close()
    yield
    connection.close()


EXPECTED = {
    Use.REQUEST: ("5s", "10s"),
    Use.STAFF: ("5s", "30s"),
    Use.COMMAND: ("1min", "0"),
    Use.MIGRATION: ("250ms", "0"),
}


@pytest.mark.parametrize("what", Use)
def test_each_use_has_its_limits_and_leaves_those_of_requests_behind(own_connection, what):
    with used_for(what):
        assert limits() == EXPECTED[what]
        connection.close()
    for _ in range(connections["default"].pool.max_size):  # check every connection of the pool
        assert limits() == EXPECTED[Use.REQUEST]
        connection.close()


def test_a_connection_that_is_given_back_within_a_transaction_is_not_used_again_with_its_limits(own_connection):
    with used_for(Use.COMMAND):
        limits()
        connection.connection.execute("BEGIN")
        connection.close()
    assert limits() == EXPECTED[Use.REQUEST]


def test_pages_have_the_limits_of_staff_and_other_paths_those_of_requests(own_connection):
    found = {}

    def view(request):
        found[request.path] = limits()
        connection.close()
        return HttpResponse()

    for path in ("/admin/", "/users/me"):
        DatabaseMiddleware(view)(RequestFactory().get(path))
    assert found == {"/admin/": EXPECTED[Use.STAFF], "/users/me": EXPECTED[Use.REQUEST]}


def test_background_jobs_and_the_sweeper_have_the_limits_of_commands(own_connection, monkeypatch):
    found = []

    def job(*_):
        found.append(limits())

    monkeypatch.setitem(JOBS, "limits", Job("limits", job, timedelta(minutes=1), Queue.OTHER, is_urgent=False))
    sealed = Call("limits", [], {}, expires_at=database_now() + timedelta(minutes=1)).sealed()
    assert QueueWorker()._do(Taken(1, "limits", sealed, attempts=0)).is_done
    monkeypatch.setattr(sweeper, "sweep", job)
    thread = sweeper.Sweeper()
    thread.start()
    thread.stop()
    assert found == [EXPECTED[Use.COMMAND]] * 2


def test_the_sweeper_survives_a_connection_that_cannot_be_closed(monkeypatch):
    def fail(*_):
        raise OperationalError("on purpose")

    monkeypatch.setattr(sweeper, "sweep", fail)
    monkeypatch.setattr(sweeper.connections, "close_all", fail)
    monkeypatch.setattr(sweeper, "LOOK_EVERY", timedelta(0))
    rounds = threading.Event()
    monkeypatch.setattr(sweeper.logger, "exception", lambda text, *_: rounds.set() if "broke" in text else None)
    thread = sweeper.Sweeper()
    thread.start()
    assert rounds.wait(60)
    assert thread.is_alive()
    thread.stop()


def test_an_outage_is_one_line_of_the_sweepers_log(monkeypatch, caplog):
    rounds = threading.Semaphore(0)

    def fail():
        rounds.release()
        raise OperationalError("the database is away\nDETAIL: none")

    monkeypatch.setattr(sweeper, "sweep", fail)
    monkeypatch.setattr(sweeper, "count_after_runs", fail)
    monkeypatch.setattr(sweeper, "LOOK_EVERY", timedelta(0))
    thread = sweeper.Sweeper()
    thread.start()
    assert all(rounds.acquire(timeout=60) for _ in range(3))
    thread.stop()
    (line,) = caplog.records
    assert line.getMessage() == "the sweep failed and is tried again: the database is away"
    assert line.exc_info is None


def test_a_command_has_its_own_limits(own_connection):
    asked = "from django.db import connection as c; print(c.cursor().execute('SHOW lock_timeout').fetchone()[0])"
    done = subprocess.run(
        [sys.executable, "manage.py", "shell", "-v0", "-c", asked],
        cwd=ROOT,
        env=test_environment() | {"COMMAND_LOCK_TIMEOUT": "7"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "7s", done.stderr


def test_a_server_whose_migrations_wait_for_a_lock_too_long_does_not_start_and_says_so(transactional_db):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("LOCK TABLE django_migrations IN ACCESS EXCLUSIVE MODE")
        done = subprocess.run(
            [sys.executable, "-m", "zapauth.serve"],
            cwd=ROOT,
            env=test_environment() | MAY_SERVE | {"PORT": str(free_port()), "MIGRATION_LOCK_TIMEOUT": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert "can't be brought up to date: canceling statement due to lock timeout" in done.stderr
    assert "Traceback" not in done.stderr


def failing_migration(*errors):
    """Return a migration that fails with each of these errors, and then succeeds. It counts its calls."""
    left = list(errors)

    def migrate():
        migrate.calls += 1
        if left:
            raise OperationalError from left.pop(0)

    migrate.calls = 0
    return migrate


def test_a_migration_without_its_lock_is_tried_again_and_says_so_once(monkeypatch, caplog):
    monkeypatch.setattr(migrating, "PAUSE", 0)
    migrate = failing_migration(*[psycopg.errors.LockNotAvailable()] * 3)
    migrating.migrate_patiently(migrate)
    assert migrate.calls == 4
    assert caplog.text.count("lets requests pass meanwhile") == 1


def test_a_migration_that_fails_for_another_reason_is_not_tried_again(monkeypatch):
    migrate = failing_migration(psycopg.errors.DiskFull())
    with pytest.raises(OperationalError):
        migrating.migrate_patiently(migrate)
    assert migrate.calls == 1


@pytest.mark.parametrize(("limit", "calls"), [(1, 1), (0, 2)])
def test_a_migration_gives_up_after_its_time_and_without_a_limit_never(monkeypatch, settings, limit, calls):
    settings.MIGRATION_LOCK_TIMEOUT = limit
    monkeypatch.setattr(migrating, "PAUSE", 0)
    clock = iter([0.0, 1.0])
    monkeypatch.setattr(migrating, "time", SimpleNamespace(monotonic=lambda: next(clock), sleep=lambda _: None))
    migrate = failing_migration(psycopg.errors.LockNotAvailable())
    with suppress(OperationalError):
        migrating.migrate_patiently(migrate)
    assert migrate.calls == calls


@pytest.mark.parametrize("value", ["-1", "1.5", "soon"])
def test_a_limit_that_is_no_number_of_seconds_is_refused(value):
    given = os.environ | {"DATABASE_URL": "", "REQUEST_LOCK_TIMEOUT": value}
    done = subprocess.run(
        [sys.executable, "-c", "import zapauth.settings"],
        cwd=ROOT,
        env=given,
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"REQUEST_LOCK_TIMEOUT is a whole number, 0 or more; it can't be '{value}'." in done.stderr


# --- when a limit is reached --------------------------------------------------------------------------


@pytest.fixture
def locked_user(transactional_db):
    """Make a user. Another connection holds a lock on their row."""
    user = User.objects.create_user("ann_lee", "correct-horse-1", email="ann@example.org")
    other = connections.create_connection("default")
    try:
        with transaction.atomic():
            other.connect()
            other.connection.execute("BEGIN")
            other.connection.execute("SELECT FROM users_user WHERE id = %s FOR UPDATE", [user.pk])
        yield user
    finally:
        other.connection.execute("ROLLBACK")
        other.close()


def failing(statement, *, limit):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL {limit} = '50ms'")
        with pytest.raises(OperationalError) as caught:
            cursor.execute(statement)
        transaction.set_rollback(True)
    return caught.value


def test_a_lock_or_a_statement_that_takes_too_long_means_not_now(locked_user, caplog):
    lock = failing("SELECT FROM users_user FOR UPDATE", limit="lock_timeout")
    statement = failing("SELECT pg_sleep(20)", limit="statement_timeout")
    assert isinstance(find_unavailable(lock), Unavailable)
    assert isinstance(find_unavailable(statement), Unavailable)
    assert "lock timeout" in caplog.text
    assert "statement timeout" in caplog.text


@pytest.mark.parametrize("error", [RuntimeError(), IntegrityError(), DataError()])
def test_a_bug_is_no_unavailable_database(error):
    assert find_unavailable(error) is None


def test_a_connection_that_was_lost_means_not_now():
    assert isinstance(find_unavailable(InterfaceError("the connection is closed")), Unavailable)


def test_a_page_says_that_the_database_cannot_answer(client, monkeypatch, db):
    def fail(*_, **__):
        raise OperationalError("on purpose")

    client.raise_request_exception = False
    monkeypatch.setattr("sessions.browser._find_session", fail)
    page = client.get("/admin/")
    assert page.status_code == 503
    assert int(page["Retry-After"]) >= 1
    assert "The database is not available now" in page.content.decode()


def test_the_next_request_of_a_thread_does_not_count_for_the_user_of_the_one_before(db):
    serve("somebody")
    assert InProcess()("GET", "/service/ping").status == 200
    assert served() is None
