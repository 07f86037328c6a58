"""A service that listens to `GET /events` of a real server."""

import base64
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from typing import Any

from tests.waiting import wait_until
from users.clients import create_app, set_access
from users.models import Access


@dataclass
class Heard:
    """An event, and when it came, by this process's monotonic clock."""

    name: str
    data: Any
    id: str
    at: float


@dataclass
class Service:
    """An app with access to events."""

    id: str
    key: str
    app: Any = None

    @property
    def authorization(self) -> str:
        return "Basic " + base64.b64encode(f"{self.id}:{self.key}".encode()).decode()


def new_service(name: str = "Socket server", *, access: Access = Access.ALL) -> Service:
    new = create_app(name)
    set_access(new.app, {"event_access": access})
    return Service(new.app.pk, new.key, new.app)


@dataclass
class Listener:
    """A connection. A thread reads it; `heard` has every event."""

    connection: HTTPConnection
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    heard: list[Heard] = field(default_factory=list)
    has_ended: bool = False
    body: bytes = b""

    def read(self, response: Any) -> None:
        try:
            self._read(response)
        except (OSError, HTTPException, ValueError, AttributeError):
            pass  # the connection broke
        finally:
            self.has_ended = True

    def _read(self, response: Any) -> None:
        lines: dict[str, str] = {}
        while line := response.readline():
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name:
                lines[name] = value
            elif "event" in lines:
                known = self.heard[-1].id if self.heard else ""
                event = lines["event"], json.loads(lines["data"]), lines.get("id", known), time.monotonic()
                self.heard.append(Heard(*event))
                lines = {}

    def events(self, *names: str) -> list[Heard]:
        """Return the events with these names; without names, all that tell something."""
        return [each for each in list(self.heard) if (each.name in names if names else each.name not in _QUIET)]

    def wait_for(self, *names: str, count: int = 1) -> list[Heard]:
        return wait_until(lambda: len(found := self.events(*names)) >= count and found, seconds=30)

    def sessions(self) -> set[str]:
        """Return the ids of the sessions that have ended."""
        ended = {each.data["session"] for each in self.events("session-ended")}
        return ended | {one["session"] for each in self.events("sessions-ended") for one in each.data["sessions"]}

    @property
    def last_id(self) -> str:
        return self.heard[-1].id


_QUIET = {"ready", "alive"}


@contextmanager
def listening(base_url: str, service: Service, *, last_id: str | None = None, wait: bool = True) -> Iterator[Listener]:
    """Listen during the block. With ``wait``, begin it when the server says that it is ready."""
    headers = {"Authorization": service.authorization, "Accept": "text/event-stream"}
    if last_id is not None:
        headers["Last-Event-ID"] = last_id
    with closing(HTTPConnection(base_url.removeprefix("http://"), timeout=60)) as connection:
        connection.request("GET", "/events", headers=headers)
        sock = connection.sock
        response = connection.getresponse()
        listener = Listener(connection, response.status, dict(response.getheaders()))
        if response.status != 200:
            listener.body = response.read()
            yield listener
            return
        thread = threading.Thread(target=listener.read, args=[response], daemon=True)
        thread.start()
        try:
            if wait:
                listener.wait_for("ready")
            yield listener
        finally:
            # The thread reads, and holds a lock of the connection meanwhile. This wakes it, and tells the server.
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
