"""Two real servers with several workers each over one real PostgreSQL. The second one's clock can be shifted."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from glob import glob
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import psutil

from bench.serving import environment, free_port
from tests.environment import ROOT
from tests.history.postgres import Postgres
from tests.history.proxy import CuttingProxy
from zapauth.local import secrets

WORKERS = 2
SETTINGS = "tests.history.settings"
LONGEST_RUN = 3000  # seconds: then access tokens expire, and the checker would take that for the end of a session
_TO_START = 180.0  # seconds, on a busy machine, and if the database is stopped meanwhile


@dataclass
class Server:
    """A server that can be killed and started again on the same port."""

    name: str
    port: int
    given: dict[str, str]
    log: Path
    process: "subprocess.Popen[bytes] | None" = None
    is_up: bool = False

    def start(self) -> None:
        """Start it, and return when it answers. Raises: RuntimeError with its log."""
        deadline = time.monotonic() + _TO_START
        while time.monotonic() < deadline:
            with self.log.open("ab") as output:
                self.process = subprocess.Popen(
                    [sys.executable, "-m", "zapauth.serve"],
                    cwd=ROOT,
                    env=self.given,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                )
            while time.monotonic() < deadline and self.process.poll() is None:
                if self.answers():
                    self.is_up = True
                    return
                time.sleep(0.05)
            time.sleep(0.2)  # an earlier worker still has its port, or the database is away
        raise RuntimeError(f"server {self.name} does not start:\n{self.log.read_text()[-4000:]}")

    def answers(self) -> bool:
        with suppress(OSError, HTTPException):
            connection = HTTPConnection("127.0.0.1", self.port, timeout=5)
            try:
                connection.request("GET", "/service/ping")
                return connection.getresponse().status == 200
            finally:
                connection.close()
        return False

    def workers(self) -> list[psutil.Process]:
        """Return the processes that answer requests."""
        try:
            children = psutil.Process(self.process.pid).children() if self.process else []
        except psutil.NoSuchProcess:
            return []
        return [each for each in children if _is_worker(each)]

    def worker_of(self, client_port: int) -> int | None:
        """Return the process that has accepted the connection from that port of a client, if it is found."""
        ends = f" 0100007F:{self.port:04X} 0100007F:{client_port:04X} "
        try:
            table = Path("/proc/net/tcp").read_text()
            inode = table[table.index(ends) :].split(maxsplit=9)[8]
            return next(int(each.pid) for each in self.workers() if f"socket:[{inode}]" in _files_of(each.pid))
        except (OSError, ValueError, StopIteration):  # the process has just died, or this is not Linux
            return None

    def kill(self) -> None:
        """`kill -9` the main process. Its workers notice and leave by themselves."""
        if self.process is not None:
            workers = self.workers()
            self.process.kill()
            self.process.wait(30)
            self.is_up = False
            psutil.wait_procs(workers, timeout=30)

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.kill()


def _is_worker(process: psutil.Process) -> bool:
    try:
        return "spawn_main" in " ".join(process.cmdline())
    except psutil.Error:
        return False


def _files_of(pid: int) -> set[str]:
    found = set()
    for each in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            found.add(os.readlink(each))
    return found


@dataclass
class World:
    """The servers, the database and the clock of a history."""

    folder: Path
    postgres: Postgres
    servers: dict[str, Server]
    proxy: CuttingProxy
    commands: dict[str, str]  # the environment of `manage.py`
    clock: Path | None  # the file that shifts the second server's clock, if faketime is installed

    @property
    def url(self) -> str:
        return self.postgres.url("tcp")

    def manage(self, *words: str, **more: str) -> str:
        """Run a command and return its output. Raises: RuntimeError, if it fails."""
        done = subprocess.run(
            [sys.executable, "manage.py", *words],
            cwd=ROOT,
            env=self.commands | more,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{words} failed: {done.stderr}")
        return done.stdout

    def stop_servers(self) -> None:
        for server in self.servers.values():
            server.stop()


@contextmanager
def running(folder: Path, *, settings: str = SETTINGS, **more: str) -> Iterator[World]:
    """Start everything in ``folder``, and stop it at the end.

    Args: more: environment of the servers and commands, such as a fault.
    """
    postgres = Postgres(_made(folder / "database"), port=free_port())
    library, clock = faketime(), folder / "clock"
    clock.write_text("+0s")
    common = _environment(folder, postgres, settings) | more
    servers = {}
    try:
        for name, over in (("a", "tcp"), ("b", "unix")):
            given = common | {"DATABASE_URL": postgres.url(over), "PORT": str(free_port())}
            given |= {"RESTORE_GUARD": str(folder / f"guard_{name}")}
            if name == "b" and library is not None:
                given |= _shifted(library, clock)
            servers[name] = Server(name, int(given["PORT"]), given, folder / f"server_{name}.log")
            servers[name].start()
        proxy = CuttingProxy(servers["a"].port)
        try:
            yield World(folder, postgres, servers, proxy, common, clock if library else None)
        finally:
            proxy.close()
    finally:
        for server in servers.values():
            server.stop()
        postgres.signal_all(signal.SIGCONT)
        postgres.stop()


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _environment(folder: Path, postgres: Postgres, settings: str) -> dict[str, str]:
    return environment(
        DATA_DIR=str(folder),
        DATABASE_URL=postgres.url("tcp"),
        SECRET_KEY=secrets.secret_key(folder),
        SIGNING_KEYS=secrets.signing_keys(folder),
        DJANGO_SETTINGS_MODULE=settings,
        ALLOWED_HOSTS="127.0.0.1",
        EMAIL_URL="dummymail://",
        HTTPS="off",
        STAFF_SECOND_FACTOR="off",
        THROTTLING="off",
        ROTATE_REFRESH_TOKENS="on",
        # Less than the hour by which a clock is shifted: a server that asks its own clock would refuse live tokens.
        ACCESS_TOKEN_LIFETIME=str(LONGEST_RUN),
        REAUTHENTICATION_WINDOW="86400",
        BULK_CONFIRM_OVER="1000000",
        # It deletes its sessions. The checker would take them for lost ones.
        CANARY_EVERY="0",
        WORKERS=str(WORKERS),
    )


def faketime() -> Path | None:
    """Find the library of Debian's package `faketime`, which gives a process another clock."""
    found = glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
    return Path(found[0]) if found else None


def _shifted(library: Path, clock: Path) -> dict[str, str]:
    return {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_CACHE_DURATION": "1",
        # Only the wall clock can be wrong: a monotonic clock never jumps on a real machine.
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",
    }


def pause(pid: int, *, seconds: float) -> None:
    """Stop a process for a while, as a machine that swaps or a debugger does."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGSTOP)
        try:
            time.sleep(seconds)
        finally:
            os.kill(pid, signal.SIGCONT)
