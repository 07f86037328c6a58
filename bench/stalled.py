"""`python -m bench.stalled`: measure a normal client's reads while a thousand other clients stall in their requests."""

import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from multiprocessing import get_context
from multiprocessing.synchronize import Event
from pathlib import Path
from selectors import EVENT_READ, DefaultSelector

from bench.database import running_database
from bench.processes import memory_mb
from bench.projects import DEFAULT
from bench.rounds import Bench, bench_on, mint, say
from bench.subjects import ZAP

STALLED = 1_000  # half of them in their headers, half in their bodies
SECONDS = 10.0  # of each phase
PER_SECOND = 50.0
PATIENCE = 30.0  # seconds until a client gives up
AT_ONCE = 2_000  # the most reads that wait at the same time
HEADERS = b"GET /v1/users/token HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Stalled: "
BODY = b"POST /v1/login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"


@dataclass(frozen=True)
class Phase:
    name: str
    seconds: list[float]
    unanswered: int
    memory_mb: float

    def quantile_ms(self, percent: int) -> float:
        return 1000 * statistics.quantiles(self.seconds, n=100)[percent - 1] if len(self.seconds) > 1 else float("nan")


def main() -> int:
    with (
        tempfile.TemporaryDirectory(prefix="zapauth-bench-") as folder,
        running_database(Path(folder)) as database,
        bench_on(database, rounds=1, is_quick=True) as bench,
    ):
        phases = _measure(bench)
    print("|           | reads | unanswered | p50 ms | p99 ms | most ms | larger worker, MB |")
    print("| --------- | ----- | ---------- | ------ | ------ | ------- | ----------------- |")
    for each in phases:
        times = " | ".join(f"{each.quantile_ms(percent):.1f}" for percent in (50, 99))
        most = 1000 * max(each.seconds, default=float("nan"))
        reads = len(each.seconds) + each.unanswered
        print(f"| {each.name:9} | {reads} | {each.unanswered} | {times} | {most:.1f} | {each.memory_mb:.0f} |")
    return 0


def _measure(bench: Bench) -> list[Phase]:
    DEFAULT.migrate(bench.database)
    tokens = [login["access"] for login in mint(bench, DEFAULT, ZAP.mint, 64)]
    with DEFAULT.serve(bench.database) as server:

        def phase(name: str) -> Phase:
            seconds, unanswered = _read(server.port, tokens)
            say(f"{name}: {len(seconds)} reads answered, {unanswered} not")
            return Phase(name, seconds, unanswered, memory_mb(server.pid))

        _read(server.port, tokens)  # warm up
        before = phase("before")
        with _stalled(server.port):
            meanwhile = phase("meanwhile")
        return [before, meanwhile, phase("after")]


def _read(port: int, tokens: list[str]) -> tuple[list[float], int]:
    """Send reads at a fixed rate, each on its own connection. Return their latencies, and how many got no answer.

    A latency is in seconds, counted from the moment at which the read is due.
    """
    begun, count = time.monotonic(), int(SECONDS * PER_SECOND)

    def read(number: int) -> float | None:
        due = begun + number / PER_SECOND
        with (
            closing(HTTPConnection("127.0.0.1", port, timeout=PATIENCE)) as connection,
            suppress(OSError, HTTPException),
        ):
            connection.request("GET", "/v1/users/token", headers={"Authorization": f"Bearer {tokens[number % 64]}"})
            response = connection.getresponse()
            response.read()
            if response.status == 200:
                return time.monotonic() - due
        return None

    with ThreadPoolExecutor(AT_ONCE) as pool:
        futures = []
        for number in range(count):
            time.sleep(max(0.0, begun + number / PER_SECOND - time.monotonic()))
            futures.append(pool.submit(read, number))
        took = [future.result() for future in futures]
    answered = [each for each in took if each is not None]
    return answered, count - len(answered)


@contextmanager
def _stalled(port: int) -> Iterator[None]:
    # In its own process, so that the measured clients do not wait for this one.
    context = get_context("spawn")
    open_, stop = context.Event(), context.Event()
    process = context.Process(target=_stall, args=(port, open_, stop), daemon=True)
    process.start()
    try:
        if not open_.wait(60):
            raise RuntimeError("the server does not accept that many connections")
        yield
    finally:
        stop.set()
        process.join(30)


def _stall(port: int, open_: Event, stop: Event) -> None:
    """Hold that many connections, each in the middle of its request. Replace each connection that the server closes."""
    with DefaultSelector() as selector:

        def stall(start: bytes) -> None:
            connection = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
            connection.sendall(start)
            selector.register(connection, EVENT_READ, start)

        for number in range(STALLED):
            stall(BODY if number % 2 else HEADERS)
        open_.set()
        while not stop.is_set():
            for key, _ in selector.select(0.1):
                with suppress(OSError):
                    if key.fileobj.recv(4096):  # type: ignore[union-attr]  # an answer; the end follows
                        continue
                selector.unregister(key.fileobj)
                key.fileobj.close()  # type: ignore[union-attr]
                with suppress(OSError):
                    stall(key.data)


if __name__ == "__main__":
    sys.exit(main())
