"""The slots in which processes count: each has its own, and a dead one's is free."""

import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from tests.environment import ROOT
from tests.servers import free_port
from zapauth.metrics import files, page

_COUNT = """
import sys
from zapauth.metrics import figures, files
figures.WORKER_DEATHS.inc()
figures.WORKERS.set(1)
print(files.slot(), flush=True)
sys.stdin.read()
"""

_MAKE = """
import sys
from zapauth.metrics import files
files._IN_MEMORY = sys.argv[1]
with files.made() as path:
    print(path)
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    path = tmp_path / "zapauth-metrics-test"
    path.mkdir()
    monkeypatch.setenv(files.FOLDER, str(path))
    return path


@pytest.fixture
def start(folder):
    """Starts processes that count one death and are one worker. Returns the process and its slot."""
    started = []

    def start_one():
        process = subprocess.Popen(
            [sys.executable, "-c", _COUNT], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        return process, process.stdout.readline().strip()

    yield start_one
    for each in started:
        each.kill()
        each.communicate()


def figures_in(folder):
    files.forget_dead(folder)
    registry = page.CollectorRegistry()
    page.MultiProcessCollector(registry, str(folder))
    value = registry.get_sample_value
    return value("zapauth_worker_deaths_total"), value("zapauth_workers")


def test_processes_that_live_have_slots_of_their_own_and_a_new_one_takes_that_of_a_dead_one(folder, start):
    first, slot = start()
    _, other = start()
    assert {slot, other} == {"slot1", "slot2"}
    assert figures_in(folder) == (2, 2)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    assert figures_in(folder) == (2, 1)
    assert start()[1] == slot
    assert figures_in(folder) == (3, 2)


def test_the_folder_of_a_killed_server_is_removed_and_that_of_a_running_one_stays(monkeypatch, tmp_path):
    monkeypatch.setattr(files, "_IN_MEMORY", str(tmp_path))
    monkeypatch.delitem(sys.modules, "zapauth.metrics.figures", raising=False)
    left = tmp_path / "zapauth-metrics-left"
    left.mkdir()
    (left / ".lock").touch()
    os.utime(left, (0, 0))
    starting = tmp_path / "zapauth-metrics-starting"
    starting.mkdir()
    (starting / ".lock").touch()
    (tmp_path / "of-another-program").mkdir()
    with files.made() as running:
        assert not left.exists()
        command = [sys.executable, "-c", _MAKE, str(tmp_path)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        assert Path(done.stdout.strip()) != running
        assert running.exists()
    assert {each.name for each in tmp_path.iterdir()} == {"of-another-program", starting.name}


def test_without_the_setting_there_is_no_port_and_nothing_is_counted(settings, monkeypatch):
    monkeypatch.setenv(files.FOLDER, "/nonexistent/of/another/program")
    with page.figures_served():
        assert files.folder() is None


def test_a_port_in_use_keeps_the_server_from_starting(settings, tmp_path):
    settings.METRICS_PORT = free_port()
    is_refused = pytest.raises(ImproperlyConfigured, match="METRICS_PORT")
    with page._listening(tmp_path), is_refused, page._listening(tmp_path):
        pass


def test_a_command_loads_no_library_for_figures_even_if_its_shell_names_a_folder_of_another_program():
    code = "import django, sys; django.setup(); print('prometheus_client' in sys.modules)"
    environment = os.environ | {files.FOLDER: "/nonexistent/of/another/program"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_what_a_bulk_run_ends_has_a_door_of_its_own_and_the_main_process_too():
    from zapauth.metrics.counting import Counted

    counted = Counted()
    value = partial(counted._figures.REGISTRY.get_sample_value, "zapauth_sessions_ended_total")
    bulk, sweep = {"reason": "staff", "door": "bulk"}, {"reason": "expired", "door": "sweep"}
    before = value(bulk) or 0, value(sweep) or 0
    counted.sessions_ended(3, reason="staff", is_bulk=True)
    counted.sessions_ended(2, reason="expired", is_bulk=False)
    assert (value(bulk), value(sweep)) == (before[0] + 3, before[1] + 2)
