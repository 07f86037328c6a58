"""Figures about itself that each worker reads every few seconds: its pool, its memory, its CPU time."""

import os
import threading
import time
from pathlib import Path
from typing import Any

from django.db import connection

from zapauth.metrics import files

EVERY = 5.0  # seconds
_PAGE = os.sysconf("SC_PAGE_SIZE")


def begin() -> None:
    """Sample now and every few seconds in this process, if METRICS_PORT is set."""
    if files.folder() is not None:
        threading.Thread(target=_go_on, name="metrics", daemon=True).start()


def _go_on() -> None:
    sampler = Sampler()
    while True:
        sampler.sample()
        time.sleep(EVERY)


class Sampler:
    """Adds to counters what this process has used since the last sample."""

    def __init__(self) -> None:
        self._before: dict[str, float] = {}

    def sample(self) -> None:
        from zapauth.metrics import figures

        figures.WORKERS.set(1)
        figures.WORKER_MEMORY_BYTES.set(_resident_bytes())
        figures.WORKER_CPU_SECONDS.inc(self._more("cpu", time.process_time()))
        pool: Any = connection.pool  # type: ignore[attr-defined]  # PostgreSQL's wrapper has it
        if pool is None:
            return
        stats = pool.get_stats()
        free, size = stats.get("pool_available", 0), stats.get("pool_size", 0)
        figures.POOL_CONNECTIONS.labels("free").set(free)
        figures.POOL_CONNECTIONS.labels("used").set(max(0, size - free))
        figures.POOL_CONNECTIONS.labels("unopened").set(max(0, stats["pool_max"] - size))
        figures.POOL_WAITING.set(stats.get("requests_waiting", 0))
        figures.POOL_WAITS.inc(self._more("queued", stats.get("requests_queued", 0)))
        figures.POOL_WAIT_SECONDS.inc(self._more("wait", stats.get("requests_wait_ms", 0)) / 1000)
        figures.POOL_REFUSALS.inc(self._more("errors", stats.get("requests_errors", 0)))

    def _more(self, name: str, total: float) -> float:
        before = self._before.get(name, 0.0)
        self._before[name] = total
        return max(0.0, total - before)


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE
