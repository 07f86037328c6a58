"""`python -m bench.outage`: stop PostgreSQL under a running ZapAuth and start it again. See docs/outages.md.

Sixteen clients read, refresh and log in all the time. Each has one HTTP connection, so it talks to one worker.
"""

import argparse
import json
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import psutil

from bench.restartable import RestartablePostgres
from bench.serving import WORKERS, ZAPAUTH, free_port, serving, zapauth_environment

CLIENTS = 16
PASSWORD = "correct-horse-1"
PAUSE = 0.05
LONGEST_WAIT = 300
BEFORE, AFTER = 3, 3  # seconds of load before and after
LATEST_RETURN = 240  # seconds within which the last worker must answer again


@dataclass(frozen=True)
class Answer:
    began: float
    ended: float
    status: int  # 0: the connection broke
    worker: int


@dataclass
class Client:
    """A user with a phone who sends requests all the time."""

    name: str
    port: int
    workers: list[int]
    answers: list[Answer] = field(default_factory=list)
    http: HTTPConnection | None = None
    worker: int = 0
    token: str = ""
    refresh_token: str = ""

    def sign_up(self) -> None:
        person = {"username": self.name, "email": f"{self.name}@example.org", "password": PASSWORD}
        if self.send("POST", "/v1/users", person) != 201 or self.log_in() != 200:
            raise RuntimeError(f"{self.name} can't sign up")

    def log_in(self) -> int:
        return self.send("POST", "/v1/login", {"identity": self.name, "password": PASSWORD})

    def run(self, stopped: threading.Event) -> None:
        turn = 0
        while not stopped.wait(PAUSE):
            turn += 1
            if turn % 10 == 0:
                self.log_in()
            elif turn % 3 == 0:
                self.send("POST", "/v1/refresh", {"refreshToken": self.refresh_token})
            else:
                self.send("GET", "/v1/users/token")

    def send(self, method: str, path: str, body: dict[str, str] | None = None) -> int:
        began, status = time.monotonic(), 0
        try:
            status = self._send(method, path, body)
        except (OSError, HTTPException):
            self.http = None
        self.answers.append(Answer(began, time.monotonic(), status, self.worker))
        return status

    def _send(self, method: str, path: str, body: dict[str, str] | None) -> int:
        http = self.http = self.http or self._connected()
        headers = {"Content-Type": "application/json"}
        if method == "GET":
            headers["Authorization"] = f"Bearer {self.token}"
        http.request(method, path, json.dumps(body) if body else None, headers)
        answer = http.getresponse()
        said = answer.read()
        if answer.status == 200 and path == "/v1/login":
            data = json.loads(said)["data"]
            self.token, self.refresh_token = data["token"], data["refreshToken"]
        return answer.status

    def _connected(self) -> HTTPConnection:
        http = HTTPConnection("127.0.0.1", self.port, timeout=LONGEST_WAIT)
        http.request("GET", "/service/ping")
        http.getresponse().read()
        here = http.sock.getsockname()[1]
        self.worker = next(pid for pid in self.workers if here in _clients_of(pid))
        return http


def _clients_of(pid: int) -> set[int]:
    """The ports of the clients that are connected to that process by TCP."""
    return {each.raddr.port for each in psutil.Process(pid).net_connections("tcp") if each.raddr}


def clients_of_each(port: int, workers: list[int], *, prefix: str) -> list[Client]:
    """Make equally many clients for each worker. The kernel chooses the worker, so surplus clients are dropped."""
    clients: list[Client] = []
    while len(clients) < CLIENTS:
        client = Client(f"{prefix}_{len(clients)}", port, workers)
        client.http = client._connected()
        if sum(other.worker == client.worker for other in clients) < CLIENTS // len(workers):
            clients.append(client)
    return clients


def outage(port: int, workers: list[int], postgres: RestartablePostgres, *, seconds: float) -> dict[str, Any]:
    clients = clients_of_each(port, workers, prefix=f"user{int(seconds)}")
    for client in clients:
        client.sign_up()
        client.answers.clear()
    stopped = threading.Event()
    threads = [threading.Thread(target=client.run, args=[stopped]) for client in clients]
    for thread in threads:
        thread.start()
    time.sleep(BEFORE)
    away_at = time.monotonic()
    postgres.stop()
    time.sleep(max(0.0, seconds - (time.monotonic() - away_at)))
    postgres.start()
    back_at = postgres.wait_until_it_answers()
    deadline = back_at + LATEST_RETURN
    while time.monotonic() < deadline and not all(_succeeded(clients, pid, back_at) for pid in workers):
        time.sleep(0.1)
    time.sleep(AFTER)
    stopped.set()
    for thread in threads:
        thread.join()
    answers = [answer for client in clients for answer in client.answers]
    return {
        "seconds": seconds,
        "workers": [figures([a for a in answers if a.worker == pid], away_at, back_at) for pid in workers],
    }


def _succeeded(clients: Iterable[Client], worker: int, since: float) -> bool:
    return any(a.worker == worker and a.status == 200 and a.ended > since for c in clients for a in c.answers[-50:])


def figures(answers: list[Answer], away_at: float, back_at: float) -> dict[str, Any]:
    """The figures that the clients of one worker saw."""
    after = sorted((a for a in answers if a.ended > back_at), key=lambda a: a.ended)
    first = next((a.ended for a in after if a.status == 200), None)
    failed_after = [a.ended for a in after if a.status != 200 and first is not None and a.ended > first]
    meanwhile = [a.ended - a.began for a in answers if a.ended > away_at and a.began < back_at]
    return {
        "first_success_s": None if first is None else round(first - back_at, 2),
        "failed_after": len(failed_after),
        "last_failure_s": round(max(failed_after) - (first or 0), 2) if failed_after else None,
        "longest_wait_s": round(max(meanwhile), 2),
        "statuses": dict(sorted(Counter(a.status for a in answers).items())),
    }


def idle_restart(port: int, workers: list[int], postgres: RestartablePostgres) -> dict[str, Any]:
    """Restart PostgreSQL while the pools are idle. Then all clients log in once at the same time."""
    clients = clients_of_each(port, workers, prefix="idle")
    for client in clients:
        client.sign_up()
    postgres.stop()
    postgres.start()
    postgres.wait_until_it_answers()
    for client in clients:
        # The ping uses no database. The server may have closed an idle connection, so a failed ping is sent again.
        if client.send("GET", "/service/ping") != 200:
            client.send("GET", "/service/ping")
    threads = [threading.Thread(target=client.log_in) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    last = [(client.worker, client.answers[-1].status) for client in clients]
    statuses = [dict(Counter(status for worker, status in last if worker == pid)) for pid in workers]
    return {"seconds": 0, "workers": [{"statuses": each} for each in statuses]}


@contextmanager
def _zapauth(data: Path, url: str) -> Iterator[tuple[int, list[int]]]:
    given = zapauth_environment(data, url) | {"THROTTLING": "off", "ACCESS_TOKEN_LIFETIME": "3600"}
    with serving(ZAPAUTH, given) as server:
        children = psutil.Process(server.pid).children()
        yield server.port, [child.pid for child in children if "spawn_main" in " ".join(child.cmdline())]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.outage", description="Stop and start PostgreSQL under load.")
    parser.add_argument("--seconds", default="5,36,75", metavar="N,…", help="how long PostgreSQL is away (5,36,75)")
    parser.add_argument(
        "--over", choices=["tcp", "unix"], action="append", help="how ZapAuth reaches it (default: both)"
    )
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    for over in options.over or ["tcp", "unix"]:
        with tempfile.TemporaryDirectory(prefix="zapauth-outage-") as folder:
            postgres = RestartablePostgres(Path(folder), port=free_port())
            try:
                _measure(postgres, over, [float(text) for text in options.seconds.split(",")])
            finally:
                postgres.stop()
    return 0


def _measure(postgres: RestartablePostgres, over: str, lengths: list[float]) -> None:
    with _zapauth(postgres.data, postgres.url(over)) as (port, workers):
        if len(workers) != WORKERS:
            raise RuntimeError(f"expected {WORKERS} workers, found {len(workers)}")
        for seconds in lengths:
            _show(over, outage(port, workers, postgres, seconds=seconds))
        _show(over, idle_restart(port, workers, postgres))


def _show(over: str, found: dict[str, Any]) -> None:
    for worker in found["workers"]:
        print(json.dumps({"over": over, "away_s": found["seconds"]} | worker), flush=True)


if __name__ == "__main__":
    sys.exit(main())
