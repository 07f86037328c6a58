"""Workers that die: a real server restarts them and logs it."""

import hashlib
import inspect
import os
import re
import signal
import time
from types import SimpleNamespace
from unittest import mock

import psutil
import pytest
from granian.server.common import AbstractServer

from tests.servers import ping, running_server
from tests.waiting import wait_until
from zapauth.server import draining
from zapauth.server.supervisor import LONG_LIFE, LONGEST_PAUSE, RestartingServer, _join, pause_after

# Our `_serve_loop` depends on these functions of granian. If one changes, read its new code, change ours if needed,
# and put the new digest here.
GRANIANS = {
    "_serve_loop": "123ffa1d2e47bda9",
    "_serve": "556b027a04da24b6",
    "_stop_workers": "f3e0544dda9b5e6c",
    "_reload": "1c1d7ce40c4cea49",
    "signal_handler_interrupt": "e9efe050e7e2d430",
}


@pytest.fixture(scope="module")
def impatient(django_db_blocker, django_db_setup):
    """A separate server, so that the test can kill its workers."""
    with django_db_blocker.unblock(), running_server() as server:
        yield server


@pytest.fixture
def patient(django_db_blocker, django_db_setup):
    """A separate server that restarts a worker only an hour after its second death."""
    with django_db_blocker.unblock(), running_server(DJANGO_SETTINGS_MODULE="tests.patient_settings") as server:
        yield server


# These tests need no data. But without the mark, this file alone would run without the test database.
real_server = pytest.mark.django_db(transaction=True)


def kill(worker):
    worker.kill()
    psutil.wait_procs([worker], timeout=60)


def successors(server, before):
    """Return the workers that started after that. Wait until there are as many as before."""
    workers = server.workers()
    return [worker for worker in workers if worker not in before] if len(workers) == len(before) else []


@real_server
def test_a_worker_that_dies_again_and_again_is_started_again_and_the_other_one_lives_on(impatient):
    first, other = impatient.workers()
    for _ in range(3):  # in less than granian's 5.5 seconds
        before = impatient.workers()
        kill(first)
        (first,) = wait_until(lambda known=before: successors(impatient, known))
    assert other.is_running()
    wait_until(lambda: ping(impatient) == 200)
    log = impatient.log.read_text()
    for pause in ("at once", "in 0.5 s", "in 1 s"):
        assert f"was killed by SIGKILL; it is started again {pause}" in log
    assert "Unexpected exit" not in log


@real_server
def test_all_workers_that_die_at_once_come_back(impatient):
    before = impatient.workers()
    for worker in before:
        worker.kill()
    assert len(wait_until(lambda: len(found := successors(impatient, before)) == 2 and found)) == 2
    wait_until(lambda: ping(impatient) == 200)


@real_server
def test_the_other_worker_answers_during_a_pause_and_sigterm_ends_it(patient):
    before = patient.workers()
    kill(before[0])
    (second,) = wait_until(lambda: successors(patient, before))
    kill(second)
    wait_until(lambda: "in 3600 s" in patient.log.read_text())
    wait_until(lambda: ping(patient) == 200)  # the other worker answers
    patient.process.send_signal(signal.SIGTERM)
    assert patient.process.wait(60) == 0


def test_a_worker_that_stops_does_not_wait_for_the_end_of_its_interpreter(django_db_blocker, django_db_setup):
    with django_db_blocker.unblock(), running_server(DJANGO_SETTINGS_MODULE="tests.lingering_settings") as server:
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(60) == 0
        assert "Killing" not in server.log.read_text()


def test_a_worker_that_has_died_is_not_joined_before_its_exit_code_is_known():
    sentinel, held_by_the_process = os.pipe()
    os.close(held_by_the_process)
    exit_codes = iter([None, None, 0])
    process = mock.Mock(sentinel=sentinel)
    type(process).exitcode = mock.PropertyMock(side_effect=exit_codes)
    _join(process, timeout=10)
    os.close(sentinel)
    process.join.assert_called_once_with(10)
    assert list(exit_codes) == []


def test_the_pause_doubles_with_each_death_up_to_half_a_minute():
    assert [pause_after(deaths) for deaths in range(1, 10)] == [0, 0.5, 1, 2, 4, 8, 16, LONGEST_PAUSE, LONGEST_PAUSE]
    assert pause_after(100_000) == LONGEST_PAUSE


def test_ctrl_c_while_a_worker_is_being_started_also_stops_that_one_at_once(monkeypatch):
    told = []
    monkeypatch.setattr(os, "kill", lambda pid, number: told.append((pid, number)))
    server = RestartingServer("nothing")
    server.signal_handler_interrupt(signal.SIGINT, None)
    worker = mock.Mock(idx=0, inner=mock.Mock(pid=4711), terminate=lambda: told.append((4711, signal.SIGTERM)))
    server.wrks = [worker]
    server._stop_workers()
    assert told == [(4711, draining.AT_ONCE), (4711, signal.SIGTERM)]


def dead_worker(*, lived):
    """A dead worker, with the attributes that our loop reads."""
    inner = SimpleNamespace(exitcode=1)
    return SimpleNamespace(idx=0, birth=time.monotonic() - lived, is_alive=lambda: False, inner=inner)


def test_a_worker_that_lived_for_a_minute_is_started_again_at_once_however_often_it_died_before(caplog):
    server = RestartingServer("nothing")
    for lived in (0, 0, 0, LONG_LIFE, 0):
        server.wrks, server._due = [dead_worker(lived=lived)], {}
        server._notice_deaths()
    pauses = re.findall(r"died with exit code 1; it is started again (.+)", caplog.text)
    assert pauses == ["at once", "in 0.5 s", "in 1 s", "at once", "in 0.5 s"]


def test_a_worker_for_which_there_is_no_room_is_tried_again_later(caplog, monkeypatch):
    server = RestartingServer("nothing")
    server.wrks = [dead_worker(lived=0)]
    monkeypatch.setattr(server, "_spawn_worker", lambda **_: SimpleNamespace(start=lambda: os.open("", os.O_RDONLY)))
    server._notice_deaths()
    server._start_due_workers(None, None)
    assert "can't be started: [Errno 2]" in caplog.text
    assert server._seconds_to_next_start() > 0
    assert [worker.inner.exitcode for worker in server.wrks] == [1]  # the dead worker


# What we replace or extend.
OURS = {"_serve_loop", "_stop_workers", "signal_handler_interrupt"}


@pytest.mark.parametrize("name", GRANIANS)
def test_granian_is_the_one_that_our_loop_was_written_for(name):
    text = inspect.getsource(getattr(AbstractServer, name))
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == GRANIANS[name]
    assert getattr(RestartingServer, name) is getattr(AbstractServer, name) or name in OURS
