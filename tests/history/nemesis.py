"""The nemesis: it disturbs the service by one act after the other. Its choices depend only on the seed."""

import random
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import psycopg

from tests.history.clients import give_order
from tests.history.history import Disturbance, now
from tests.history.pulse import Pulse
from tests.history.servers import Server, pause
from tests.history.town import Town

OPERATOR = 90  # the number of the client that gives the orders to be killed
_BETWEEN = (0.5, 2.0)  # seconds
_AFTER = 2.0  # seconds in which the probes after a return count
_SHIFTS = ["+2s", "-2s", "+3600s", "-3600s", "+0s"]


class Nemesis(threading.Thread):
    """`acts` are dealt like cards: each one comes once before any comes again."""

    def __init__(self, town: Town, pulse: Pulse, *, only: str = "") -> None:
        super().__init__(name="nemesis", daemon=True)
        self.town, self.pulse = town, pulse
        self.world, self.rng = town.world, random.Random(f"{town.seed} nemesis")
        self._over = threading.Event()
        self._threads: dict[str, threading.Thread] = {}
        self.acts: dict[str, Callable[[], None]] = {
            "kill a worker": self._kill_worker,
            "kill a server": self._kill_server,
            "stop the database (fast)": lambda: self._stop_database("fast"),
            "stop the database (immediate)": lambda: self._stop_database("immediate"),
            "kill the database": lambda: self._stop_database("kill"),
            "pause the database": self._pause_database,
            "pause a worker": self._pause_worker,
            "terminate all backends": lambda: self._terminate(one_in=1),
            "terminate some backends": lambda: self._terminate(one_in=3),
            "cut answers": self._cut,
            "kill an order half-way": self._kill_order,
            "shift a clock": self._shift_clock,
        }
        if self.world.clock is None:
            del self.acts["shift a clock"]
        if only:
            self.acts = {name: act for name, act in self.acts.items() if only in name}

    def run(self) -> None:
        self._watched("acts", self._act_again_and_again)

    def _act_again_and_again(self) -> None:
        while True:
            for name in self.rng.sample(list(self.acts), len(self.acts)):
                if self._over.wait(self.rng.uniform(*_BETWEEN)):
                    return
                self.name_of_act = name
                self.acts[name]()

    def stop(self) -> None:
        """Let the present act end. Everything that it stopped is then there again."""
        self._over.set()
        self.join(120)
        for each in self._threads.values():
            each.join(120)

    def _note(self, disturbs: str, began: int, **facts: Any) -> None:
        known: dict[str, Any] = {"act": self.name_of_act, "ended": now()} | facts
        self.town.recorder.add(Disturbance(disturbs=disturbs, began=began, **known))

    def _a_server(self) -> Server:
        return self.rng.choice(list(self.world.servers.values()))

    # --- processes ----------------------------------------------------------------------------------

    def _kill_worker(self) -> None:
        server, began = self._a_server(), now()
        workers = server.workers()
        if workers:
            worker = self.rng.choice(workers)
            worker.kill()
            self._note("process", began, target=f"{server.name}/{worker.pid}")

    def _kill_server(self) -> None:
        """Kill a server and start it again."""
        server, began = self._a_server(), now()

        def kill_and_start() -> None:
            server.kill()
            server.start()
            self._note("process", began, target=server.name, act="kill a server")

        self._meanwhile("server", kill_and_start)

    def _meanwhile(self, what: str, act: Callable[[], None]) -> None:
        """Do a slow act in another thread, while the nemesis goes on. Never do two of them at once."""
        earlier = self._threads.get(what)
        if earlier is None or not earlier.is_alive():
            self._threads[what] = threading.Thread(target=self._watched, args=[what, act], daemon=True)
            self._threads[what].start()

    def _watched(self, what: str, act: Callable[[], None]) -> None:
        try:
            act()
        except Exception as error:
            self.town.failures.append(f"nemesis, {what}: {error!r}")
            raise

    def _pause_worker(self) -> None:
        server, began = self._a_server(), now()
        workers = server.workers()
        if workers:
            worker = self.rng.choice(workers)
            # Shorter than REQUEST_LOCK_TIMEOUT: the worker may hold locks, for which others wait.
            pause(worker.pid, seconds=self.rng.uniform(0.3, 2.0))
            self._note("process", began, target=f"{server.name}/{worker.pid}")

    # --- the database -------------------------------------------------------------------------------

    def _stop_database(self, mode: str) -> None:
        began = now()
        self.world.postgres.stop_by(mode)
        self._over.wait(self.rng.uniform(0.2, 3.0))
        self.world.postgres.start_and_wait()
        self._note_return("database", began)

    def _pause_database(self) -> None:
        began = now()
        for each in (stopped := self.world.postgres.processes()):
            with suppress(Exception):
                each.suspend()
        self._over.wait(self.rng.uniform(0.5, 3.0))
        for each in stopped:
            with suppress(Exception):
                each.resume()
        self.world.postgres.wait_until_it_answers()
        self._note_return("database", began)

    def _terminate(self, *, one_in: int) -> None:
        began = now()
        with suppress(psycopg.Error):  # it terminates itself, too, if its number is chosen
            self.world.postgres.terminate_backends(one_in=one_in)
        self._note_return("connections", began)

    def _note_return(self, disturbs: str, began: int) -> None:
        returned = now()
        threading.Event().wait(_AFTER)
        self._note(disturbs, began, ended=returned, slowest_probe=self.pulse.slowest(since=returned))

    # --- the rest -----------------------------------------------------------------------------------

    def _cut(self) -> None:
        began = now()
        for _ in range(3):
            self.world.proxy.cut(5, after=self.rng.choice([0, 1, 40, 300]))
            self._over.wait(0.3)
        self.world.proxy.cut(0, after=0)
        self._note("network", began)

    def _kill_order(self) -> None:
        """Give an order to log everybody out, and kill the command half-way."""
        began, batches = now(), self.rng.randint(0, 2)

        def order_and_kill() -> None:
            give_order(self.town, OPERATOR, kill_after=batches)
            self._note("order", began, act="kill an order half-way")

        self._meanwhile("order", order_and_kill)

    def _shift_clock(self) -> None:
        clock = self.world.clock
        if clock is not None:
            began, shift = now(), self.rng.choice(_SHIFTS)
            clock.write_text(shift)
            self._note("clock", began, target=f"b {shift}")
