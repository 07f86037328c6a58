"""How long a server takes to stop, whatever its main process is doing."""

import re
import signal
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from django.db import connection, transaction

from sessions.inspect import statistics
from tests.environment import ROOT
from tests.locks import is_waited_for
from tests.servers import running_server
from tests.waiting import wait_until
from zapauth.server import stopping

WORKERS_FINISH = 10  # seconds, after DRAIN_TIME


class Work:
    """A part of the main process. It takes as long to stop as ``stop`` does."""

    def __init__(self, stop):
        self.stop = stop


@pytest.fixture
def left(monkeypatch):
    """Whether the process has left. It does so 0.2 s after its workers."""
    found = SimpleNamespace(codes=[])
    monkeypatch.setattr(stopping, "os", SimpleNamespace(_exit=found.codes.append))
    monkeypatch.setattr(stopping, "WITHIN", 0.1)
    monkeypatch.setattr(stopping, "LEAVE_AFTER", 0.2)
    return found.codes


def test_all_parts_stop_at_the_same_time_and_one_that_hangs_or_fails_keeps_no_other_from_it(left, settings, caplog):
    settings.IS_LOCAL = True
    stopped = []

    def fail():
        raise OSError("on purpose")

    parts = [Work(lambda: time.sleep(60)), Work(fail), Work(lambda: stopped.append(1)), Work(lambda: stopped.append(2))]
    began = time.monotonic()
    stopping.stop_all(*parts)
    assert time.monotonic() - began < 30
    assert sorted(stopped) == [1, 2]
    assert "Work could not be stopped" in caplog.text
    assert caplog.text.count("Work did not stop within 0.1 s, and is left") == 1
    assert left == []  # the embedded PostgreSQL is stopped, however long that takes


def test_a_process_that_hangs_after_that_leaves(left, settings, caplog):
    settings.IS_LOCAL = False
    stopping.stop_all()
    wait_until(lambda: left == [1])
    assert "the server has not stopped 0.2 s after its workers, and leaves" in caplog.text


def test_a_server_whose_sweep_waits_for_a_lock_stops_in_time(transactional_db):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [statistics._COUNT_LOCK])
        with running_server(WORKERS="1") as server:
            wait_until(is_waited_for)
            server.process.send_signal(signal.SIGTERM)
            began = time.monotonic()
            assert server.process.wait(60) == 0
            assert time.monotonic() - began < WORKERS_FINISH + stopping.LEAVE_AFTER


def test_systemd_and_docker_wait_for_longer_than_a_server_takes_to_stop(settings):
    longest = settings.DRAIN_TIME.total_seconds() + WORKERS_FINISH + stopping.LEAVE_AFTER
    text = (ROOT / "docs" / "deploy.md").read_text()
    assert longest < int(re.search(r"^TimeoutStopSec=(\d+)$", text, re.MULTILINE)[1])
    assert longest < int(re.search(r"terminationGracePeriodSeconds: (\d+)", text)[1])
    service = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["web"]
    assert longest < int(service["stop_grace_period"].removesuffix("s"))
    assert f"int(settings.DRAIN_TIME.total_seconds()) + {WORKERS_FINISH}," in Path(ROOT, "zapauth/serve.py").read_text()
