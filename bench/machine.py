"""The machine and the versions that a run's figures depend on. Nothing identifies the machine."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

import psutil

from bench.database import Database


def machine(database: Database) -> dict[str, str]:
    with database.connect() as connection:
        postgres = str(connection.info.parameter_status("server_version"))
        row = connection.execute("SHOW shared_buffers").fetchone()
    assert row is not None
    return {
        "": f"{len(os.sched_getaffinity(0))} cores ({_processor()}), {psutil.virtual_memory().total / 2**30:.0f} GB",
        "Python": platform.python_version(),
        "PostgreSQL": f"{postgres} with {row[0]} of shared_buffers",
        **{name: version(name) for name in ("granian", "Django", "djangorestframework-simplejwt", "django-rest-knox")},
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
