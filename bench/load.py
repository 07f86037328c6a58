"""A small HTTP client with a few keep-alive connections. Each connection has one open request at a time.

It runs in its own process, so that its CPU time is not counted for any subject.
"""

import json
import selectors
import socket
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any
from urllib.parse import urlencode

CONNECTIONS = 16
PATIENCE = 60  # seconds without any answer until the client gives up


@dataclass(frozen=True)
class Request:
    """The bytes of a request, and the only accepted status of its answer."""

    raw: bytes
    status: int = 200


@dataclass(frozen=True)
class Replies:
    seconds: float  # from the first request to the last answer
    latencies: list[float]  # in seconds, unsorted


class WrongAnswer(Exception):
    """The server answered with another status. The text is its answer."""


def request(
    method: str,
    path: str,
    *,
    authorization: str = "",
    body: dict[str, Any] | None = None,
    form: dict[str, str] | None = None,
    status: int = 200,
) -> Request:
    """Make a request with a JSON ``body``, with a ``form``, or without either."""
    content = urlencode(form).encode() if form else b"" if body is None else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", "User-Agent: bench/1", "Accept: application/json"]
    if authorization:
        lines.append(f"Authorization: {authorization}")
    if form or body is not None:
        lines.append(f"Content-Type: application/{'x-www-form-urlencoded' if form else 'json'}")
    if method != "GET":
        lines.append(f"Content-Length: {len(content)}")
    return Request("\r\n".join(lines).encode() + b"\r\n\r\n" + content, status)


class Client:
    def __init__(self, pool: ProcessPoolExecutor) -> None:
        self._pool = pool

    def send(self, port: int, requests: list[Request], connections: int = CONNECTIONS) -> Replies:
        """Send each request once. Raises: WrongAnswer, if an answer does not have the expected status."""
        return self._pool.submit(_send, port, requests, connections).result()


@contextmanager
def client() -> Iterator[Client]:
    # Spawn the process: a fork would inherit the open connections of this one.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        yield Client(pool)


class _Connection:
    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def begin(self, request: Request) -> None:
        self.request, self.answer, self.begun = request, b"", time.perf_counter()
        self.socket.sendall(request.raw)

    def is_done(self) -> bool:
        """Read the available bytes. Return whether the answer is complete. Raises: WrongAnswer."""
        received = self.socket.recv(65536)
        if not received:
            raise WrongAnswer(f"the connection was closed after {self.answer!r}")
        self.answer += received
        head, end, body = self.answer.partition(b"\r\n\r\n")
        if not end or len(body) < _length(head):
            return False
        if int(head.split(b" ", 2)[1]) != self.request.status:
            raise WrongAnswer(f"{self.request.raw.decode()}\n\n{self.answer.decode()}")
        return True


def _length(head: bytes) -> int:
    lower = head.lower()
    _, found, rest = lower.partition(b"\r\ncontent-length:")
    if not found and b" 204 " not in head.split(b"\r\n", 1)[0]:
        raise WrongAnswer(f"no length: {head!r}")
    return int(rest.split(b"\r\n", 1)[0]) if found else 0


def _send(port: int, requests: list[Request], most: int) -> Replies:
    waiting = deque(requests)
    latencies: list[float] = []
    with selectors.DefaultSelector() as selector:
        connections = [_Connection(port) for _ in range(min(most, len(waiting)))]
        try:
            begun = time.perf_counter()
            for connection in connections:
                connection.begin(waiting.popleft())
                selector.register(connection.socket, selectors.EVENT_READ, connection)
            while len(latencies) < len(requests):
                ready = selector.select(PATIENCE)
                if not ready:
                    raise WrongAnswer("no answer")
                for key, _ in ready:
                    if key.data.is_done():
                        latencies.append(time.perf_counter() - key.data.begun)
                        if waiting:
                            key.data.begin(waiting.popleft())
            return Replies(time.perf_counter() - begun, latencies)
        finally:
            for connection in connections:
                connection.socket.close()
