"""Requests over real HTTP, each written into the history: when it began and ended, and what came back."""

import json
import random
import socket
import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, IncompleteRead
from typing import Any

from tests.history.history import Call, Outcome, Recorder, now
from tests.history.rules.outages import TIMED_OUT
from tests.history.servers import Server

PATIENCE = 30.0  # seconds
AFTER_BREAK = 0.1  # seconds
OPEN_EACH = 3  # connections to each way of a client: most likely to different workers


_LENGTHS = {"content-length", "transfer-encoding"}


@dataclass(frozen=True)
class Reply:
    status: int | None  # None: no answer
    headers: Mapping[str, str]
    body: bytes
    call: dict[str, Any]  # noted in the history

    @property
    def json(self) -> Any:
        with suppress(ValueError):
            return json.loads(self.body)
        return None


@dataclass(frozen=True)
class Way:
    """A way to a server: directly, or through the proxy that cuts connections."""

    server: Server
    port: int


class Wire:
    """The connections of one client. They stay open. Only its own thread uses them."""

    def __init__(self, number: int, ways: list[Way], recorder: Recorder, rng: random.Random) -> None:
        self.number, self.ways, self.recorder, self.rng = number, ways, recorder, rng
        self._open: dict[tuple[int, int], HTTPConnection] = {}
        self._workers: dict[tuple[int, int], int | None] = {}

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
        form: bytes | None = None,
    ) -> Reply:
        """Send a request to any worker. It never raises: a missing answer is an outcome, too."""
        way = self._a_way()
        key, request = (way, self.rng.randrange(OPEN_EACH)), str(uuid.UUID(int=self.rng.getrandbits(128), version=4))
        sent = {"X-Request-ID": request, **(headers or {})}
        content = form
        if body is not None:
            sent["Content-Type"], content = "application/json", json.dumps(body).encode()
        call: dict[str, Any] = {"client": self.number, "request": request, "server": self.ways[way].server.name}
        call["began"], call["ended"] = now(), None
        try:
            link = self._connected(key)
            link.request(method, path, content, sent)
            answer = link.getresponse()
            said = answer.read()
            if not {name.lower() for name in answer.headers} & _LENGTHS:
                raise IncompleteRead(said)  # it was cut in its headers, which http.client does not notice
        except (OSError, HTTPException) as error:
            self._drop(key)
            time.sleep(AFTER_BREAK)
            call["note"] = TIMED_OUT if isinstance(error, TimeoutError) else type(error).__name__
            return Reply(None, {}, b"", call)
        call["ended"] = now()
        call["worker"] = self._worker(key, link)
        if answer.will_close:
            self._drop(key)
        told: dict[str, str] = {}
        for name, value in answer.getheaders():  # cookies come in several headers
            told[name.lower()] = "\n".join(filter(None, [told.get(name.lower()), value]))
        return Reply(answer.status, told, said, call)

    def _a_way(self) -> int:
        """Choose a way at random, rarely one to a server that is just starting."""
        ways = range(len(self.ways))
        up = [way for way in ways if self.ways[way].server.is_up]
        return self.rng.choice(up if up and self.rng.random() < 0.98 else ways)

    def record(self, reply: Reply, op: str, outcome: Outcome, **facts: Any) -> Call:
        """Write the call into the history."""
        call = Call(op=op, outcome=outcome, **{"status": reply.status} | reply.call | facts)
        self.recorder.add(call)
        return call

    def close(self) -> None:
        for key in list(self._open):
            self._drop(key)

    def _connected(self, key: tuple[int, int]) -> HTTPConnection:
        link = self._open.get(key)
        if link is None:
            link = self._open[key] = HTTPConnection("127.0.0.1", self.ways[key[0]].port, timeout=PATIENCE)
            link.connect()
            link.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return link

    def _worker(self, key: tuple[int, int], link: HTTPConnection) -> int | None:
        """The process at the other end. It is looked up once for each connection; behind the proxy it is not known."""
        way = self.ways[key[0]]
        if key not in self._workers:
            is_direct = way.port == way.server.port and link.sock is not None
            self._workers[key] = way.server.worker_of(link.sock.getsockname()[1]) if is_direct else None
        return self._workers[key]

    def _drop(self, key: tuple[int, int]) -> None:
        self._workers.pop(key, None)
        link = self._open.pop(key, None)
        if link is not None:
            link.close()
