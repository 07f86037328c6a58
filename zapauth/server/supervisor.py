"""granian's server, which also restarts workers that die often.

granian itself stops the whole service when a worker dies twice within 5.5 seconds. It also misses the death of a
worker while it handles the death of another one.
"""

import logging
import os
import signal
import time
from contextlib import suppress
from functools import partial
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from typing import Any

from granian.server import MPServer
from granian.server.mp import WorkerProcess

from zapauth.metrics import figures
from zapauth.server import draining

logger = logging.getLogger("zapauth.server.supervisor")

# Seconds. The first restart is immediate. Each further death doubles the pause.
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
# Seconds. If a worker lived for this long, its death counts as the first one.
LONG_LIFE = 60.0


def pause_after(deaths: int) -> float:
    """Return the seconds to wait before the restart of a worker that died this many times in a row."""
    return 0.0 if deaths <= 1 else min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(deaths - 2, 100))


class RestartingServer(MPServer):
    """Restarts dead workers after a growing pause. Meanwhile the other workers serve.

    `_serve_loop` replaces granian's. It handles only the signals to stop and to reload, because we use neither
    `workers_lifetime` nor `workers_max_rss`. With the option `reload` granian runs its own loop.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._deaths: dict[int, int] = {}
        self._due: dict[int, float] = {}
        self._is_hurried = False

    def signal_handler_interrupt(self, *arguments: Any, **options: Any) -> None:
        """Stop. After SIGTERM, workers go on answering for a while. After SIGINT (Ctrl-C), they stop at once.

        The guard against restored backups also sends SIGINT: no further request may be served from a restored backup.
        """
        super().signal_handler_interrupt(*arguments, **options)  # type: ignore[no-untyped-call]
        if arguments[:1] == (signal.SIGINT,):
            self._is_hurried = True
            self._hurry_workers()

    def _hurry_workers(self) -> None:
        for worker in self.wrks:
            if worker.is_alive():  # the id of a dead process may have a new owner
                worker.interrupt_by_parent = True
                with suppress(ProcessLookupError):
                    os.kill(worker.inner.pid, draining.AT_ONCE)

    def _stop_workers(self) -> None:
        if self._is_hurried:
            self._hurry_workers()  # the signal may have come while one of them was being started
        super()._stop_workers()  # type: ignore[no-untyped-call]

    def _spawn_worker(self, *arguments: Any, **options: Any) -> WorkerProcess:
        worker = super()._spawn_worker(*arguments, **options)
        worker.join = partial(_join, worker.inner)  # type: ignore[method-assign]
        return worker

    def _serve_loop(self, spawn_target: Any, target_loader: Any) -> None:
        while True:
            self.main_loop_interrupt.wait(self._seconds_to_next_start())
            # Clear it before looking, so that every later event ends the next wait.
            self.main_loop_interrupt.clear()
            if self.interrupt_signal:
                break
            if self.reload_signal:
                self._reload(spawn_target, target_loader)  # type: ignore[no-untyped-call]
                self._due.clear()
                self.main_loop_interrupt.set()  # `_reload` clears this and may have missed a signal, so look again
            self._start_due_workers(spawn_target, target_loader)
            self._notice_deaths()
        # Otherwise granian's shutdown would exit with 1.
        self.interrupt_children.clear()

    def _seconds_to_next_start(self) -> float | None:
        return max(0.0, min(self._due.values()) - time.monotonic()) if self._due else None

    def _start_due_workers(self, spawn_target: Any, target_loader: Any) -> None:
        now = time.monotonic()
        for idx in [idx for idx, at in self._due.items() if at <= now]:
            worker = self._spawn_worker(idx=idx, target=spawn_target, callback_loader=target_loader)
            try:
                worker.start()
            except OSError as error:  # for example, no memory for another process
                self._start_later(idx, f"can't be started: {error}")
            else:
                self.wrks[idx] = worker
                del self._due[idx]

    def _notice_deaths(self) -> None:
        for worker in self.wrks:
            if worker.idx not in self._due and not worker.is_alive():
                if time.monotonic() - worker.birth >= LONG_LIFE:
                    self._deaths.pop(worker.idx, None)
                self._start_later(worker.idx, _how_it_died(worker.inner.exitcode))

    def _start_later(self, idx: int, what_happened: str) -> None:
        self._deaths[idx] = self._deaths.get(idx, 0) + 1
        figures.WORKER_DEATHS.inc()
        pause = pause_after(self._deaths[idx])
        self._due[idx] = time.monotonic() + pause
        when = f"in {pause:g} s" if pause else "at once"
        logger.error("worker %d of %d %s; it is started again %s", idx + 1, self.workers, what_happened, when)


def _join(process: BaseProcess, timeout: float | None = None) -> None:
    """Wait until the process has died and its exit code is known, at most ``timeout`` seconds.

    A thread of granian's also waits for the process. On a busy machine that thread may have received the exit code but
    not stored it yet. Then the process seems to be alive, and granian would kill it.
    """
    process.join(timeout)
    while wait([process.sentinel], timeout=0) and process.exitcode is None:
        time.sleep(0.001)


def _how_it_died(exitcode: int | None) -> str:
    if exitcode is None or exitcode >= 0:
        return f"died with exit code {exitcode}"
    try:
        return f"was killed by {signal.Signals(-exitcode).name}"
    except ValueError:
        return f"was killed by signal {-exitcode}"
