"""Connections to every worker of every server, which stay open between the rounds."""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

from zapauth.canary.errors import CannotMeasure
from zapauth.canary.hosts import host_for

TIMEOUT = 10.0  # seconds for one answer
# Seconds to reach all workers of a server. The kernel gives a new connection to any worker, so it takes many tries.
_FIND_WITHIN = 10.0
_Name = tuple[str, int]  # the server's id and the worker's number


@dataclass(frozen=True)
class Reply:
    """An answer, and when its request began and the answer was there, by this process's monotonic clock."""

    status: int
    content: bytes
    began: float
    ended: float

    @property
    def json(self) -> Any:
        return json.loads(self.content)


class Line:
    """A connection to one worker, which is kept. Use it in one thread at a time."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        self._connection = kind(parts.hostname or "", parts.port, timeout=TIMEOUT)
        self._host, self._prefix = host_for(url), parts.path.rstrip("/")
        self.name = url

    def ask(self, method: str, path: str, *, token: str = "", body: dict[str, str] | None = None) -> Reply:
        """Send a request. Args: token: the value of `Authorization`. Raises: OSError, HTTPException."""
        headers = {"User-Agent": "ZapAuth canary"} | ({"Host": self._host} if self._host else {})
        if token:
            headers["Authorization"] = token
        if body is not None:
            headers["Content-Type"] = "application/json"
        content = None if body is None else json.dumps(body)
        began = time.monotonic()
        self._connection.request(method, self._prefix + path, content, headers)
        self._connection.auto_open = 0  # a new connection may reach another worker
        answer = self._connection.getresponse()
        read = answer.read()
        return Reply(answer.status, read, began, time.monotonic())

    def close(self) -> None:
        self._connection.close()


class Lines:
    """The connections to all workers of the servers at ``urls``, by URL and by server and worker."""

    def __init__(self, urls: Sequence[str]) -> None:
        self._urls = urls
        self._kept: dict[str, dict[_Name, Line]] = {url: {} for url in urls}

    def __iter__(self) -> Iterator[Line]:
        return (line for kept in self._kept.values() for line in kept.values())

    @property
    def servers(self) -> int:
        return len({server for kept in self._kept.values() for server, _ in kept})

    def new_line(self, number: int) -> Line:
        """Return a new connection to one of the servers. Consecutive numbers take the servers in turn."""
        return Line(self._urls[number % len(self._urls)])

    def complete(self) -> None:
        """Close connections that are dead, and open the missing ones. Raises: CannotMeasure."""
        for url in self._urls:
            try:
                self._complete(url)
            except (OSError, HTTPException) as error:
                raise CannotMeasure(f"{url} does not answer: {_shown(error)}") from error

    def close(self) -> None:
        for line in self:
            line.close()
        self._kept = {url: {} for url in self._urls}

    def _complete(self, url: str) -> None:
        lines, self._kept[url] = list(self._kept[url].values()), {}
        workers: dict[str, int] = {}
        for line in lines:
            with suppress(OSError, HTTPException, CannotMeasure):  # the server has closed it
                self._keep(url, line, workers)
        deadline = time.monotonic() + _FIND_WITHIN
        # A server that has stopped since is not in `workers`, and its connections are not in `_kept`.
        while not workers or len(self._kept[url]) < sum(workers.values()):
            if time.monotonic() > deadline:
                found = ", ".join(f"{worker} of {server}" for server, worker in self._kept[url])
                raise CannotMeasure(f"{url}: only these workers were reached: {found} ({workers})")
            self._keep(url, Line(url), workers)

    def _keep(self, url: str, line: Line, workers: dict[str, int]) -> None:
        """Keep the connection if there is none to its worker yet, and note how many workers its server has."""
        try:
            server, worker, count = _who(line)
        except BaseException:
            line.close()
            raise
        workers[server] = count
        if (server, worker) in self._kept[url]:
            line.close()
            return
        line.name = f"worker {worker} of {url} ({server})"
        self._kept[url][server, worker] = line


def _who(line: Line) -> tuple[str, int, int]:
    """Return the server's id, the worker's number and the number of workers. Raises: OSError, CannotMeasure."""
    reply = line.ask("GET", "/healthz")
    try:
        told = reply.json
        return str(told["server"]), int(told["worker"]), int(told["workers"])
    except (ValueError, KeyError, TypeError) as error:
        raise CannotMeasure(f"{line.name}/healthz names no worker: status {reply.status}") from error


def _shown(error: Exception) -> str:
    return str(error) or type(error).__name__
