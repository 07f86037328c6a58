"""The figures that are read from the database: those of the queue, and what a slow database leaves of them."""

from contextlib import ExitStack

import pytest
from django.db import OperationalError, connection

from tests.metrics.scraping import Figures
from users.database_use import serve_nobody
from zapauth.metrics import database


@pytest.fixture
def read(transactional_db):
    """Reads all figures now."""

    def read():
        families = list(database.DatabaseFigures().collect())
        return Figures(sample for family in families for sample in family.samples)

    return read


INSERT = """
INSERT INTO procrastinate_jobs (queue_name, task_name, status, priority, scheduled_at, worker_id)
VALUES (%(queue)s, 'a', %(status)s, %(priority)s, now() + %(again_in)s * interval '1 second', %(worker)s) RETURNING id
"""
STORED_AT = "UPDATE procrastinate_events SET at = now() - %s * interval '1 second' WHERE job_id = %s"


def job(age, **given):
    """Return a job that was stored ``age`` seconds ago. No server has the queue `test`.

    Args: again_in: the seconds until it may be tried again.
    """
    return {"age": age, "queue": "test", "status": "todo", "priority": 0, "again_in": None} | given


@pytest.fixture
def store(transactional_db):
    """Stores jobs."""

    def store(*jobs):
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO procrastinate_workers DEFAULT VALUES RETURNING id")
            (worker,) = cursor.fetchone()  # without one, a server would take a running job back
            for each in jobs:
                cursor.execute(INSERT, each | {"worker": worker})
                cursor.execute(STORED_AT, [each["age"], cursor.fetchone()[0]])

    return store


def test_jobs_are_counted_by_queue_and_status(read, store):
    store(job(1), job(1, **LATER), job(1, queue="another"), job(1, status="doing"), job(1, status="succeeded"))
    figures = read()
    assert figures("zapauth_queue_jobs", queue="test", status="todo") == 2
    assert figures("zapauth_queue_jobs", queue="test", status="doing") == 1
    assert figures("zapauth_queue_jobs", queue="another") == 1
    assert figures("zapauth_queue_jobs", status="succeeded") == 0


LATER, URGENT = {"again_in": 3600}, {"priority": 1}


@pytest.mark.parametrize(
    ("jobs", "oldest"),
    [
        ([job(90), job(50), job(20, **URGENT)], 90),
        ([job(50), job(90, **URGENT)], 90),
        ([job(300, **LATER), job(30)], 30),
        # Since it may be tried again, and not since it was stored.
        ([job(900, again_in=-60), job(30)], 60),
        ([job(900, again_in=-60), job(80)], 80),
        ([job(900, again_in=-60), job(900, **URGENT, again_in=-70)], 70),
        ([job(300, **LATER)], 0),
    ],
)
def test_the_oldest_job_is_the_one_that_has_been_ready_for_the_longest_time(read, store, jobs, oldest):
    store(*jobs)
    assert oldest <= read()("zapauth_queue_oldest_seconds", queue="test") < oldest + 10


def test_not_more_jobs_are_counted_than_the_limit(read, store, monkeypatch):
    monkeypatch.setattr(database, "MOST_JOBS", 3)
    store(*[job(9)] * 5)
    figures = read()
    assert figures("zapauth_queue_jobs", queue="test") == 3
    assert figures("zapauth_queue_oldest_seconds", queue="test") >= 9


GROUPS = {"sessions": "_SESSIONS", "bulk": "_RUNS", "queue": "_QUEUE"}
SIGN = {"bulk": "zapauth_bulk_runs", "queue": "zapauth_queue_jobs"}


@pytest.mark.parametrize("slow", GROUPS)
def test_a_slow_statement_hides_its_own_figures_only_and_the_database_is_up(read, store, monkeypatch, slow):
    store(job(9))
    monkeypatch.setattr(database, "LIMIT", 0.5)
    monkeypatch.setattr(database, GROUPS[slow], "SELECT pg_sleep(30)")
    figures = read()
    assert figures("zapauth_database_up") == 1
    assert {name: figures("zapauth_figures_missing", figures=name) for name in GROUPS} == {
        name: name == slow for name in GROUPS
    }
    assert {name: SIGN[name] in figures.names() for name in SIGN} == {name: name != slow for name in SIGN}


def test_a_database_that_does_not_answer_is_down_and_has_no_other_figure(read, monkeypatch):
    def refuse(*_):
        raise OperationalError("the connection is refused")

    with monkeypatch.context() as broken:
        broken.setattr(connection, "cursor", refuse)
        figures = read()
    assert (figures("zapauth_database_up"), figures.names()) == (0, {"zapauth_database_up"})


def test_a_pool_whose_connections_are_all_in_use_is_not_a_database_that_is_down(read):
    connection.close()
    serve_nobody()  # a user's requests may not hold all connections
    pool = connection.pool
    with ExitStack() as held:
        for _ in range(pool.max_size):
            held.callback(pool.putconn, pool.getconn())
        figures = read()
    assert figures("zapauth_database_up") == 1
    assert figures("zapauth_figures_missing", figures="queue") == 1
