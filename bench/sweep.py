"""Run `manage.py logout --everyone`, and the plain UPDATE that it is compared with."""

import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass

from bench.database import Database
from bench.processes import cpu_seconds
from bench.serving import ROOT, run_python, zapauth_environment

COMMAND = ("manage.py", "logout", "--everyone", "--reason", "bench")
PLAIN_UPDATE = """
UPDATE user_sessions_session SET ended_at = now(), end_reason = 'operator' WHERE ended_at IS NULL
"""


@dataclass(frozen=True)
class Sweep:
    """The results of the command."""

    ended: int
    still_open: int
    seconds: float  # from the order to the last row
    began: float  # when the order was given: Unix time
    launched: float  # when the process was started
    cpu_seconds: float  # of the command, and of PostgreSQL meanwhile
    memory_mb: float  # the maximum of the command


@dataclass(frozen=True)
class Update:
    seconds: float
    cpu_seconds: float  # of PostgreSQL


def update_plainly(database: Database, name: str) -> Update:
    with database.connect(name) as connection:
        began, cpu = time.monotonic(), cpu_seconds(database.pid)
        connection.execute(PLAIN_UPDATE)
        return Update(time.monotonic() - began, cpu_seconds(database.pid) - cpu)


def log_everybody_out(database: Database, name: str) -> Sweep:
    given = zapauth_environment(database.data, database.url(name))
    digest = re.search(r"digest: (\w+)", run_python(*COMMAND, "--dry-run", given=given))
    assert digest is not None
    launched, cpu = time.time(), cpu_seconds(database.pid)
    process = subprocess.Popen(
        [sys.executable, *COMMAND, "--confirm", digest[1]],
        cwd=ROOT,
        env=given,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    cpu = cpu_seconds(database.pid) - cpu + usage.ru_utime + usage.ru_stime
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, f"exit code {process.returncode}"
    with database.connect(name) as connection:
        ((ended, began, seconds, still_open),) = connection.execute(
            "SELECT ended, extract(epoch FROM started_at)::float8,"
            " extract(epoch FROM finished_at - started_at)::float8,"
            " (SELECT count(*) FROM user_sessions_session WHERE ended_at IS NULL) FROM user_sessions_bulkrun"
        ).fetchall()
    return Sweep(ended, still_open, seconds, began, launched, cpu, usage.ru_maxrss / 1024)
