import json
import threading
from datetime import timedelta

import psycopg
import pytest
from django.db import OperationalError, connection
from django.test import Client
from psycopg_pool import PoolTimeout

from sessions.inspect.statistics import count_figures
from sessions.models import Figure
from tests.waiting import wait_until
from users.clock import database_now
from zapauth.health import checks, middleware
from zapauth.health.checks import Readiness
from zapauth.postgresql.base import DatabaseWrapper
from zapauth.postgresql.pool import CannotConnect

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _anew(monkeypatch):
    """Nothing is known from the test before."""
    monkeypatch.setattr(middleware, "_READINESS", Readiness())


def ready():
    """Return the status of /readyz and the checks by name."""
    answer = Client().get("/readyz", headers={"host": "192.0.2.7"})
    body = answer.json()
    assert body["status"] == ("ready" if answer.status_code == 200 else "not ready")
    return answer.status_code, {check["name"]: (check["status"], check.get("text")) for check in body["checks"]}


def test_a_server_with_all_it_needs_is_ready():
    count_figures()
    assert ready() == (
        200,
        dict.fromkeys(["database", "migrations", "sweeper", "signing_keys", "connections"], ("ok", None)),
    )


def test_without_a_migration_it_is_not_ready(monkeypatch):
    needed = checks._needed_migrations()
    monkeypatch.setattr(checks, "_needed_migrations", lambda: [*needed, ("users", "9999_of_this_release")])
    status, found = ready()
    assert (status, found["migrations"]) == (503, ("failed", "some are missing"))


def test_migrations_of_a_newer_release_do_no_harm(monkeypatch):
    needed = checks._needed_migrations()
    monkeypatch.setattr(checks, "_needed_migrations", lambda: needed[:-1])
    assert ready()[0] == 200


@pytest.mark.parametrize("pem", ["", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"])
def test_with_keys_that_cannot_be_used_it_is_not_ready(settings, pem):
    settings.SIGNING_KEYS = pem
    status, found = ready()
    assert (status, found["signing_keys"]) == (503, ("failed", "they can't be used"))


def test_a_late_sweep_only_warns():
    count_figures()
    Figure.objects.update(counted_at=database_now() - timedelta(minutes=16))
    assert ready()[0] == 200
    status, found = _after_a_second()
    assert (status, found["sweeper"]) == (200, ("warning", "it has not swept for 15 minutes"))
    Figure.objects.all().delete()
    assert _after_a_second()[1]["sweeper"] == ("warning", "it has not swept yet")


def _after_a_second():
    middleware._READINESS._began -= checks.FRESH
    return ready()


def test_a_database_that_does_not_answer_is_told_soon_and_its_return_too(monkeypatch):
    monkeypatch.setattr(checks, "LIMIT", 0.2)
    parameters = {**connection.get_connection_params(), "cursor_factory": None}
    with psycopg.connect(**parameters) as lock:
        lock.execute("LOCK TABLE django_migrations IN ACCESS EXCLUSIVE MODE")
        status, found = ready()
        assert (status, found["database"]) == (503, ("failed", "no answer within 0.2 s"))
        assert ready()[0] == 503
    wait_until(lambda: _after_a_second()[0] == 200, seconds=10)


@pytest.mark.parametrize(
    ("cause", "name"),
    [
        (PoolTimeout("all are in use"), "connections"),
        (CannotConnect("host db.internal.example"), "database"),
        (psycopg.OperationalError("password authentication failed for user zapauth"), "database"),
        (psycopg.errors.UndefinedTable("relation django_migrations"), "migrations"),
    ],
)
def test_each_error_is_told_in_our_words_and_never_in_its_own(monkeypatch, cause, name):
    def fail(self):
        raise OperationalError(str(cause)) from cause

    monkeypatch.setattr(DatabaseWrapper, "cursor", fail)
    answer = Client().get("/readyz")
    assert answer.status_code == 503
    assert [check["name"] for check in answer.json()["checks"] if check["status"] == "failed"] == [name]
    assert str(cause) not in answer.content.decode()


def test_a_bug_in_a_check_is_logged_and_not_told(monkeypatch, caplog):
    monkeypatch.setattr(checks, "_keys", lambda: json.loads("a bug"))
    assert ready() == (503, {"checks": ("failed", "the server's log has the details")})
    assert "a check of /readyz failed" in caplog.text


def test_an_answer_that_is_no_is_no_error_in_the_log(monkeypatch, caplog):
    # A load balancer asks every second, and strangers may ask more often.
    monkeypatch.setattr(middleware, "is_draining", lambda: True)
    assert ready()[0] == 503
    assert Client().post("/readyz").status_code == 405
    assert caplog.records == []


def test_however_often_it_is_asked_it_looks_once_a_second(monkeypatch):
    looks = []
    monkeypatch.setattr(checks, "_checks", lambda: looks.append(1) or [])
    readiness, start = Readiness(), threading.Barrier(8)

    def ask():
        start.wait()
        for _ in range(20):
            readiness.checks()

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(looks) == 1
    readiness._began -= checks.FRESH
    readiness.checks()
    assert len(looks) == 2
