"""Two processes that migrate the same database at the same time."""

import signal
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from threading import Event, Thread
from types import SimpleNamespace

import psycopg
import pytest
from django.db import OperationalError, connection

from tests.environment import ROOT
from tests.servers import MAY_SERVE, test_database_url, test_environment
from tests.waiting import wait_until
from zapauth import migrating

NAME = "test_two_at_once"
INDEXES = "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1"
INVALID = "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid"
BUILDING = """
SELECT pid, query FROM pg_stat_activity
 WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE 'CREATE INDEX CONCURRENTLY%'
"""


@pytest.fixture
def empty(transactional_db):
    """The URL of an empty database."""
    url = test_database_url()
    with psycopg.connect(url, autocommit=True) as link:
        link.execute(f"DROP DATABASE IF EXISTS {NAME} WITH (FORCE)")
        link.execute(f"CREATE DATABASE {NAME}")
        yield url.replace(f"/{connection.settings_dict['NAME']}", f"/{NAME}")
        link.execute(f"DROP DATABASE {NAME} WITH (FORCE)")


class Migration:
    """`manage.py migrate` in a process of its own."""

    def __init__(self, url, log):
        self.log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "migrate", "--verbosity=0"],
                cwd=ROOT,
                env=test_environment() | MAY_SERVE | {"DATABASE_URL": url},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait(60)

    def waits(self):
        return "waiting until another process has migrated the database: zapauth migrates on" in self.log.read_text()


def test_of_two_processes_one_migrates_and_if_it_is_killed_the_other_one_builds_its_index_again(empty, tmp_path):
    with (
        psycopg.connect(empty) as snapshot,
        psycopg.connect(empty, autocommit=True) as looking,
        Migration(empty, tmp_path / "one") as one,
        Migration(empty, tmp_path / "other") as other,
    ):
        snapshot.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        snapshot.execute("SELECT")  # a build of an index waits for this transaction
        wait_until(lambda: looking.execute(BUILDING).fetchall() and one.waits() != other.waits(), seconds=60)
        waiting, building = (one, other) if one.waits() else (other, one)
        ((killed, statement),) = looking.execute(BUILDING).fetchall()
        assert looking.execute(INVALID).fetchall()
        building.process.send_signal(signal.SIGKILL)
        # PostgreSQL ends the statement of the killed process, and the other process builds the same index.
        wait_until(lambda: [(pid != killed, text) for pid, text in looking.execute(BUILDING)] == [(True, statement)])
        snapshot.rollback()
        assert waiting.process.wait(60) == 0, waiting.log.read_text()
        assert looking.execute(INVALID).fetchall() == []
        with connection.cursor() as cursor:
            cursor.execute(INDEXES)
            assert looking.execute(INDEXES).fetchall() == cursor.fetchall()
        twice = "SELECT app, name FROM django_migrations GROUP BY 1, 2 HAVING count(*) > 1"
        assert looking.execute(twice).fetchall() == []


# --- in one process -----------------------------------------------------------------------------------


@contextmanager
def another_migrates():
    """Hold the lock as a process does that migrates."""
    is_held, may_end = Event(), Event()

    def hold():
        is_held.set()
        may_end.wait(60)

    thread = Thread(target=migrating.migrate_patiently, args=[hold])
    thread.start()
    assert is_held.wait(30)
    try:
        yield may_end
    finally:
        may_end.set()
        thread.join(30)


def test_a_process_that_has_nothing_to_migrate_does_not_wait_for_another_one(db):
    calls = []
    with another_migrates():
        migrating.migrate_patiently(lambda: calls.append("migrate"))
    assert calls == []


def test_a_process_says_for_whom_it_waits_and_then_migrates(db, monkeypatch, caplog):
    calls = []
    with another_migrates() as may_end:

        def end_the_other(_):
            calls.append("wait")
            may_end.set()

        monkeypatch.setattr(migrating, "time", SimpleNamespace(sleep=end_the_other, monotonic=time.monotonic))
        migrating.migrate_patiently(lambda: calls.append("migrate"), is_needless=lambda: False)
    assert calls[0] == "wait"
    assert calls[-1] == "migrate"
    assert caplog.text.count("waiting until another process has migrated the database: zapauth migrates on ") == 1


def test_a_build_of_an_index_does_not_wait_for_the_lock_of_its_own_process(transactional_db):
    """The connection of the lock has no snapshot, even if the database's default keeps one."""

    def look():
        with connection.cursor() as cursor:
            cursor.execute("SELECT backend_xmin FROM pg_stat_activity WHERE application_name LIKE 'zapauth migrates%'")
            assert cursor.fetchall() == [(None,)]

    with connection.cursor() as cursor:
        cursor.execute("ALTER ROLE CURRENT_USER SET default_transaction_isolation = 'repeatable read'")
    try:
        migrating.migrate_patiently(look)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER ROLE CURRENT_USER RESET default_transaction_isolation")


def test_a_database_that_is_away_while_a_process_waits_is_an_error_of_django(db, monkeypatch):
    with another_migrates(), closing(psycopg.connect(test_database_url(), autocommit=True)) as link:

        def end_connections(_):
            link.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'zapauth migrates%'"
            )

        monkeypatch.setattr(migrating, "time", SimpleNamespace(sleep=end_connections, monotonic=time.monotonic))
        with pytest.raises(OperationalError):
            migrating.migrate_patiently(lambda: None, is_needless=lambda: False)
