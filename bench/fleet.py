"""Everybody out, measured: `python -m bench.fleet`, or `make fleet`. What it prints is in docs/fleet.md.

It makes demo sessions in a PostgreSQL of its own, and works on copies of that database:

1. a plain `UPDATE` of all live rows, and `manage.py logout --everyone` without anything else going on, in turns;
2. the same command while a server with two workers answers probes: when the last token was accepted, how
   long authenticated reads take before and meanwhile, the command's peak memory.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import psutil
import psycopg
from psycopg import sql

ROOT = Path(__file__).parent.parent
TEMPLATE = "fleet"
COMMAND = ("logout", "--everyone", "--reason", "bench")
PLAIN_UPDATE = """
UPDATE user_sessions_session SET ended_at = now(), end_reason = 'operator' WHERE ended_at IS NULL
"""
PASSWORD = "Correct-Horse-7"
PHONES = 8
# Of all phones together, at a fixed rate: how long a request waits for its turn counts, too.
READS_PER_SECOND = 50
PROBES_PER_SECOND = 100
SECONDS_BEFORE = 20


class Database:
    """The embedded server's, by name."""

    def __init__(self, socket_folder: Path) -> None:
        self.folder = socket_folder

    def url(self, name: str) -> str:
        return f"postgres://postgres@/{name}?host={self.folder}"

    def connect(self, name: str = "postgres") -> psycopg.Connection[Any]:
        return psycopg.connect(self.url(name), autocommit=True)

    @contextmanager
    def copy(self, name: str) -> Iterator[str]:
        """A copy of the template, as it is after a checkpoint; gone at the end."""
        copied, template = sql.Identifier(name), sql.Identifier(TEMPLATE)
        with self.connect() as connection:
            # An interrupted bench may have left one behind.
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(copied))
            connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(copied, template))
            connection.execute("CHECKPOINT")
            try:
                yield name
            finally:
                connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(copied))


@dataclass
class Reads:
    """Of each read: when it was sent, how long it took, what came back, which worker's process answered."""

    sent: list[tuple[float, float, int, int]] = field(default_factory=list)

    def quantile(self, share: float) -> float:
        """In milliseconds."""
        return statistics.quantiles([1000 * took for _, took, _, _ in self.sent], n=1000)[round(share * 1000) - 1]

    def last_accepted(self) -> dict[int, float]:
        """By the worker's process, when the last accepted one was sent."""
        return {pid: max(at for at, _, status, by in self.sent if status == 200 and by == pid) for pid in self.workers}

    @property
    def workers(self) -> set[int]:
        return {pid for _, _, _, pid in self.sent}


class Service:
    """A running server, and phones that talk to it."""

    def __init__(self, port: int, process: subprocess.Popen[bytes]) -> None:
        self.port = port
        self.process = process

    def log_in(self, number: int) -> str:
        """Register a user, unless that was done; returns an access token."""
        user = {"username": f"bench_{number}", "email": f"bench.{number}@example.org", "password": PASSWORD}
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            registered = _post(connection, "/v1/users", user)
            answer = _post(connection, "/v1/login", {"identity": user["username"], "password": PASSWORD})
        if "token" not in answer:
            raise RuntimeError(f"no login: {registered}, {answer}")
        token: str = answer["token"]
        return token

    def read(self, tokens: list[str], *, per_second: float, stop: threading.Event) -> Reads:
        """GET /v1/users/token with each of ``tokens`` on connections of their own, until ``stop``."""
        reads, begun = Reads(), time.time() + 0.1

        def phone(number: int) -> None:
            interval = PHONES / per_second
            due = begun + interval * number / PHONES
            with closing(HTTPConnection("127.0.0.1", self.port, timeout=60)) as connection:
                connection.connect()
                worker = self._worker_of(connection)
                mine = tokens[number::PHONES]
                for turn in range(sys.maxsize):
                    time.sleep(max(0.0, due - time.time()))
                    if stop.is_set():
                        return
                    sent = time.time()
                    headers = {"Authorization": f"Bearer {mine[turn % len(mine)]}"}
                    connection.request("GET", "/v1/users/token", headers=headers)
                    response = connection.getresponse()
                    response.read()
                    reads.sent.append((sent, time.time() - due, response.status, worker))
                    due += interval

        with ThreadPoolExecutor(PHONES) as pool:
            list(pool.map(phone, range(PHONES)))
        return reads

    def _worker_of(self, connection: HTTPConnection) -> int:
        """Which worker's process answers it: the kernel spreads connections over them."""
        _get(connection, "/service/ping")
        port = connection.sock.getsockname()[1]
        for worker in psutil.Process(self.process.pid).children(recursive=True):
            if any(each.raddr and each.raddr.port == port for each in worker.net_connections("tcp")):
                return worker.pid
        raise RuntimeError("no worker has that connection")


@contextmanager
def serving(url: str) -> Iterator[Service]:
    port = _free_port()
    environment = _environment(url) | {"PORT": str(port), "WORKERS": "2", "THROTTLING": "off"}
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "zapauth.serve"], cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            for _ in range(300):
                time.sleep(0.1)
                with closing(HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
                    try:
                        _get(connection, "/service/ping")
                    except OSError:
                        continue
                    break
            else:
                log.seek(0)
                raise RuntimeError(f"the server does not answer:\n{log.read().decode()}")
            yield Service(port, process)
        finally:
            process.terminate()
            process.wait(30)


@dataclass
class Run:
    """What `manage.py logout --everyone` did."""

    ended: int
    sweep: float  # seconds from the order to the last row
    began: float  # when the order was given: Unix time
    launched: float  # when the process was started
    memory: int  # its peak, in bytes


def log_everybody_out(database: Database, name: str) -> Run:
    url = database.url(name)
    digest = re.search(r"digest: (\w+)", _manage(url, *COMMAND, "--dry-run"))
    assert digest is not None
    launched = time.time()
    arguments = [sys.executable, "manage.py", *COMMAND, "--confirm", digest[1]]
    process = subprocess.Popen(
        arguments, cwd=ROOT, env=_environment(url), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, f"exit code {process.returncode}"
    with database.connect(name) as connection:
        ((ended, began, seconds),) = connection.execute(
            "SELECT ended, extract(epoch FROM started_at)::float8,"
            " extract(epoch FROM finished_at - started_at)::float8 FROM user_sessions_bulkrun"
        ).fetchall()
        ((still_open,),) = connection.execute(
            "SELECT count(*) FROM user_sessions_session WHERE ended_at IS NULL"
        ).fetchall()
    assert still_open <= PHONES  # those who have logged in since are not meant
    return Run(ended, seconds, began, launched, usage.ru_maxrss * 1024)


def update_plainly(database: Database, name: str) -> float:
    """Seconds."""
    with database.connect(name) as connection:
        began = time.monotonic()
        connection.execute(PLAIN_UPDATE)
        return time.monotonic() - began


def measure_sweep(database: Database, rounds: int) -> dict[str, Any]:
    updates, runs = [], []
    for _ in range(rounds):
        with database.copy("plain") as name:
            updates.append(update_plainly(database, name))
        with database.copy("swept") as name:
            runs.append(log_everybody_out(database, name))
        _say(f"  UPDATE {updates[-1]:.1f} s, sweep {runs[-1].sweep:.1f} s")
    ratios = [run.sweep / update for run, update in zip(runs, updates, strict=True)]
    return {
        "rows": runs[0].ended,
        "update_s": updates,
        "sweep_s": [run.sweep for run in runs],
        "ratio": statistics.median(ratios),
        "memory_mb": max(run.memory for run in runs) / 2**20,
    }


def measure_service(database: Database, tokens: list[str]) -> dict[str, Any]:
    with database.copy("served") as name, serving(database.url(name)) as service, ThreadPoolExecutor(3) as pool:
        phones = [service.log_in(number) for number in range(PHONES)]
        stop = threading.Event()
        threading.Timer(SECONDS_BEFORE, stop.set).start()
        before = service.read(phones, per_second=READS_PER_SECOND, stop=stop)
        assert {status for _, _, status, _ in before.sent} == {200}

        refused = threading.Event()
        probes = pool.submit(service.read, tokens, per_second=PROBES_PER_SECOND, stop=refused)
        out = pool.submit(log_everybody_out, database, name)
        with database.connect(name) as connection:
            while connection.execute("SELECT FROM user_sessions_bulkrun").fetchone() is None:
                time.sleep(0.05)
        time.sleep(2)
        refused.set()
        seen = probes.result()
        # All are out; so they log in again.
        phones = [service.log_in(number) for number in range(PHONES)]
        stop = threading.Event()
        out.add_done_callback(lambda _: stop.set())
        meanwhile = service.read(phones, per_second=READS_PER_SECOND, stop=stop)
        assert {status for _, _, status, _ in meanwhile.sent} == {200}
        run = out.result()
    assert len(seen.workers) == 2, "the probes went to one worker only"
    return {
        "sweep_s": run.sweep,
        "memory_mb": run.memory / 2**20,
        "probes": len(seen.sent),
        "last_accepted_ms": [1000 * (at - run.began) for at in seen.last_accepted().values()],
        "from_launch_s": run.began - run.launched,
        "reads": {"before": len(before.sent), "meanwhile": len(meanwhile.sent)},
        "p50_ms": {"before": before.quantile(0.5), "meanwhile": meanwhile.quantile(0.5)},
        "p99_ms": {"before": before.quantile(0.99), "meanwhile": meanwhile.quantile(0.99)},
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.fleet", description=__doc__.partition("\n")[0])
    parser.add_argument("--users", type=int, default=200_000)
    parser.add_argument("--sessions", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3, help="of the plain UPDATE and the sweep, in turns")
    parser.add_argument("--data", type=Path, help="where to keep the database for the next time")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="zapauth-fleet-") as temporary:
        data = (options.data or Path(temporary)).resolve()
        os.environ |= {"DJANGO_SETTINGS_MODULE": "zapauth.settings", "DATA_DIR": str(data)}
        from zapauth.embedded_postgres import running, socket_folder

        with running(data):
            database = Database(socket_folder(data))
            tokens = _prepare(database, options)
            found = {"quiet": measure_sweep(database, options.rounds), "served": measure_service(database, tokens)}
    _report(found)
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n")
    return 0 if all(good for _, _, good in _targets(found)) else 1


def _prepare(database: Database, options: argparse.Namespace) -> list[str]:
    """Make the template, unless it is there; returns access tokens of some of its sessions."""
    with database.connect() as connection:
        if connection.execute("SELECT FROM pg_database WHERE datname = %s", (TEMPLATE,)).fetchone() is None:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(TEMPLATE)))
    url = database.url(TEMPLATE)
    _manage(url, "migrate", "--verbosity", "0")
    _say(f"making {options.sessions:,} sessions of {options.users:,} users")
    _manage(url, "demo", "--users", str(options.users), "--sessions", str(options.sessions), "--ended", "0")
    with database.connect(TEMPLATE) as connection:
        connection.execute("VACUUM (FREEZE, ANALYZE)")
    return _manage(url, "shell", "--no-imports", "-c", _TOKENS).split()


# A long way from now, or they would expire before the probes.
_TOKENS = """
from datetime import timedelta
from django.utils import timezone
from sessions.models import Session
from sessions.tokens import UserAccessToken
zap = Session.objects.filter(ended_at=None, device=None).order_by("-pk")[:256]
for session in zap:
    print(UserAccessToken.for_session(session, expires_at=timezone.now() + timedelta(hours=6)))
"""


def _targets(found: dict[str, Any]) -> list[tuple[str, str, bool]]:
    quiet, served = found["quiet"], found["served"]
    last, slower = max(served["last_accepted_ms"]), served["p99_ms"]["meanwhile"] / served["p99_ms"]["before"]
    memory = max(quiet["memory_mb"], served["memory_mb"])
    return [
        ("last token accepted after the order", f"{last:.0f} ms (at most 100)", last <= 100),
        ("sweep to plain UPDATE", f"{quiet['ratio']:.2f} (at most 3)", quiet["ratio"] <= 3),
        ("peak memory of the command", f"{memory:.0f} MB (under 150)", memory < 150),
        ("p99 of a read, meanwhile to before", f"{slower:.2f} (at most 2)", slower <= 2),
    ]


def _report(found: dict[str, Any]) -> None:
    quiet, served = found["quiet"], found["served"]
    _say(f"\n{quiet['rows']:,} sessions")
    _say(f"  plain UPDATE           {_seconds(quiet['update_s'])}")
    _say(f"  sweep                  {_seconds(quiet['sweep_s'])}")
    _say(f"  sweep while serving    {served['sweep_s']:.1f} s")
    _say(f"  from launch to order   {served['from_launch_s']:.1f} s")
    accepted = ", ".join(f"{ms:.0f} ms" for ms in served["last_accepted_ms"])
    _say(f"  last accepted          {accepted} after the order, by worker; {served['probes']} probes")
    for name in ("p50", "p99"):
        times = served[f"{name}_ms"]
        _say(f"  {name} of a read          {times['before']:.1f} ms before, {times['meanwhile']:.1f} ms meanwhile")
    _say("")
    for name, text, good in _targets(found):
        _say(f"{'ok    ' if good else 'MISSED'} {name}: {text}")


def _seconds(values: list[float]) -> str:
    return f"{statistics.median(values):.1f} s ({min(values):.1f}-{max(values):.1f}, {len(values)} rounds)"


def _manage(url: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments], cwd=ROOT, env=_environment(url), stdout=subprocess.PIPE, text=True
    )
    if done.returncode:
        raise SystemExit(f"manage.py {arguments[0]} failed")
    return done.stdout


def _environment(url: str) -> dict[str, str]:
    from zapauth import local_secrets

    data = Path(os.environ["DATA_DIR"])
    return os.environ | {
        "DATABASE_URL": url,
        "SECRET_KEY": local_secrets.secret_key(data),
        "SIGNING_KEYS": local_secrets.signing_keys(data),
        "ALLOWED_HOSTS": "127.0.0.1",
        "HTTPS": "off",
    }


def _post(connection: HTTPConnection, path: str, body: dict[str, str]) -> Any:
    connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
    return json.loads(connection.getresponse().read())


def _get(connection: HTTPConnection, path: str) -> bytes:
    connection.request("GET", path)
    return connection.getresponse().read()


def _free_port() -> int:
    import socket

    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
