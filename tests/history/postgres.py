"""A real PostgreSQL that can be stopped, killed, paused and started again."""

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg

from bench.restartable import RestartablePostgres

_START_AGAIN = 5.0  # seconds


class Postgres(RestartablePostgres):
    """A database server. `stop` and `kill` return when no process is left that could answer."""

    def stop_by(self, mode: str) -> None:
        """Stop it: "fast" (as an operator does), "immediate" (it must recover), or "kill" (`kill -9` of all of it)."""
        if mode != "kill":
            self._server._run("pg_ctl", "stop", "-w", "-s", "-m", mode, "-D", self._server.folder, check=False)
            return
        family = self.processes()
        for each in family:
            with suppress(psutil.NoSuchProcess):
                each.kill()
        psutil.wait_procs(family, timeout=10)

    def processes(self) -> list[psutil.Process]:
        try:
            pid = int((self._server.folder / "postmaster.pid").read_text().split("\n", 1)[0])
            main = psutil.Process(pid)
            return [main, *main.children()]
        except (OSError, ValueError, psutil.NoSuchProcess):
            return []

    def signal_all(self, number: signal.Signals) -> None:
        for each in self.processes():
            with suppress(ProcessLookupError):
                os.kill(each.pid, number)

    def start_and_wait(self, *, seconds: float = 60) -> None:
        """Start it until it answers. The first start fails while a killed server's memory is still in use."""
        deadline = time.monotonic() + seconds
        while True:
            self._server._drop_stale_lock_files()
            self.start()
            try:
                self.wait_until_it_answers(seconds=_START_AGAIN)
                return
            except psycopg.OperationalError:
                if time.monotonic() > deadline:
                    raise

    def terminate_backends(self, *, one_in: int = 1) -> int:
        """Terminate the clients' connections, every ``one_in``-th of them. Returns how many."""
        others = "datname = 'zapauth' AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
        with psycopg.connect(self.url("tcp"), autocommit=True, application_name="nemesis") as link:
            query = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others} AND pid %% %s = 0"  # noqa: S608
            return len(link.execute(query, [one_in]).fetchall())

    def connections(self) -> int:
        with psycopg.connect(self.url("tcp"), connect_timeout=2) as link:
            row = link.execute("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'").fetchone()
            return int(row[0]) if row else 0


def made(folder: Path, *, port: int) -> Postgres:
    """Make a database server in ``folder``, which may already have a data folder, and start it."""
    folder.mkdir(parents=True, exist_ok=True)
    return Postgres(folder, port=port)
