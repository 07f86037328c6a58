"""A thread that opens a connection to the database again and again, and takes the time. It also measures the servers.

These times tell how fast a server could be back on a machine that other programs use, too.
"""

import threading
import time
from bisect import bisect_left
from contextlib import suppress

import psutil
import psycopg

from tests.history.database import AddressRow, RunRow, left_behind, look, miscounted
from tests.history.history import Disturbance, Measure, Recorder, now
from tests.history.servers import World

EVERY = 0.2  # seconds between two probes
BUSY = 500_000_000  # ns: if this thread is so late, any program on the machine may be late
MEASURE_EVERY = 5.0


class Pulse(threading.Thread):
    """`looks` and `miscounted` have the findings in the database at each measure, `left_behind` at each probe."""

    def __init__(self, world: World, recorder: Recorder) -> None:
        super().__init__(name="pulse", daemon=True)
        self.world, self.recorder = world, recorder
        self.looks: list[dict[str, tuple[str, str, str, str | None]]] = []
        self.miscounted: list[RunRow] = []
        self.left_behind: list[AddressRow] = []
        self._over = threading.Event()
        self._at: list[int] = []
        self._took: list[int] = []

    def run(self) -> None:
        measured_at = 0.0
        while True:
            began = now()
            if self._over.wait(EVERY):
                return
            late = now() - began - round(EVERY * 1e9)
            self._probe()
            if max(late, self._took[-1] if self._took and self._at[-1] > began else 0) > BUSY:
                busy = Disturbance(act="the machine is busy", disturbs="machine", began=began, ended=now())
                self.recorder.add(busy)
            if time.monotonic() - measured_at > MEASURE_EVERY:
                measured_at = time.monotonic()
                self._measure()

    def stop(self) -> None:
        self._over.set()
        self.join(30)

    def slowest(self, *, since: int) -> int:
        """Return the time of the slowest successful probe since then, in ns; 0, if there was none."""
        return max(self._took[bisect_left(self._at, since) :], default=0)

    def _probe(self) -> None:
        began = now()
        with suppress(psycopg.Error), psycopg.connect(self.world.url, connect_timeout=2) as link:
            link.execute("SELECT 1")
            self._took.append(now() - began)
            self._at.append(now())
            self.left_behind += left_behind(link)

    def _measure(self) -> None:
        for server in self.world.servers.values():
            processes = [(f"a worker of {server.name}", each) for each in server.workers()]
            if server.process is not None and server.process.poll() is None:
                with suppress(psutil.Error):
                    processes.append((f"the main process of {server.name}", psutil.Process(server.process.pid)))
            for name, process in processes:
                with suppress(psutil.Error):
                    self.recorder.add(_measure_of(name, process))
        with suppress(psycopg.Error):
            connections = self.world.postgres.connections()
            self.recorder.add(Measure(at=now(), process="the database", connections=connections))
            self.looks.append(look(self.world.url))
            self.miscounted += miscounted(self.world.url)


def _measure_of(name: str, process: psutil.Process) -> Measure:
    with process.oneshot():
        return Measure(
            at=now(),
            process=name,
            pid=process.pid,
            threads=process.num_threads(),
            connections=process.num_fds(),
            memory=process.memory_info().rss,
        )
