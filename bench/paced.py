"""Send reads at a fixed rate, as phones do. The time that a read waits for its turn counts, too."""

import statistics
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from http.client import HTTPConnection

import psutil

from bench.serving import Server

PHONES = 8
MOST_TRIES = 200
Phone = tuple[HTTPConnection, int]  # and the process id of its worker


@dataclass
class Reads:
    """For each read: when it was sent, how long it took, its status, and the process id of the worker."""

    sent: list[tuple[float, float, int, int]] = field(default_factory=list)

    def quantile_ms(self, percent: int) -> float:
        return 1000 * statistics.quantiles([took for _, took, _, _ in self.sent], n=100)[percent - 1]

    def last_accepted(self) -> dict[int, float]:
        """For each worker's process id, the time at which its last accepted read was sent."""
        return {pid: max(at for at, _, status, by in self.sent if status == 200 and by == pid) for pid in self.workers}

    @property
    def workers(self) -> set[int]:
        return {pid for _, _, _, pid in self.sent}

    @property
    def statuses(self) -> set[int]:
        return {status for _, _, status, _ in self.sent}


def read_paced(
    server: Server,
    tokens: list[str],
    *,
    per_second: float,
    stop: threading.Event,
    path: str = "/v1/users/token",
    when_connected: Callable[[], None] = lambda: None,
) -> Reads:
    """Send GET ``path`` with each of ``tokens`` on the phones' connections, until ``stop`` is set."""
    with ExitStack() as stack:
        phones = _connect(server, stack)
        when_connected()
        return _read(phones, tokens, per_second=per_second, stop=stop, path=path)


def _read(phones: list[Phone], tokens: list[str], *, per_second: float, stop: threading.Event, path: str) -> Reads:
    reads, begun = Reads(), time.time() + 0.1

    def read_on(number: int) -> None:
        connection, worker = phones[number]
        interval = PHONES / per_second
        due = begun + interval * number / PHONES
        mine = tokens[number::PHONES]
        for turn in range(sys.maxsize):
            time.sleep(max(0.0, due - time.time()))
            if stop.is_set():
                return
            sent = time.time()
            headers = {"Authorization": f"Bearer {mine[turn % len(mine)]}"}
            connection.request("GET", path, headers=headers)
            response = connection.getresponse()
            response.read()
            reads.sent.append((sent, time.time() - due, response.status, worker))
            due += interval

    with ThreadPoolExecutor(PHONES) as pool:
        list(pool.map(read_on, range(PHONES)))
    return reads


def _connect(server: Server, stack: ExitStack) -> list[Phone]:
    """Open the same number of connections to each worker. Otherwise the kernel might give all to one."""
    phones: list[Phone] = []
    for _ in range(MOST_TRIES):
        connection = stack.enter_context(closing(HTTPConnection("127.0.0.1", server.port, timeout=60)))
        worker = _worker_of(connection, server)
        if sum(worker == other for _, other in phones) < PHONES // 2:
            phones.append((connection, worker))
        if len(phones) == PHONES:
            return phones
    raise RuntimeError("one of the workers accepts no connections")


def _worker_of(connection: HTTPConnection, server: Server) -> int:
    """The process id of the worker that answers this connection. The kernel chooses the worker."""
    connection.request("GET", "/service/ping")
    connection.getresponse().read()
    port = connection.sock.getsockname()[1]
    for worker in psutil.Process(server.pid).children(recursive=True):
        if any(each.raddr and each.raddr.port == port for each in worker.net_connections("tcp")):
            return int(worker.pid)
    raise RuntimeError("no worker has that connection")
