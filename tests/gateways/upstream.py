"""What stands behind and before a gateway in the tests: a service that echoes, and a way to the gate that can break."""

import select
import socket
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha1
from http.server import ThreadingHTTPServer
from typing import Any

from tests.echoes import JsonHandler
from tests.serving import serving

_PART = 65_536


class _Echo(JsonHandler):
    """Answers each request with what it got. An upgraded connection gets its own bytes back."""

    def answer(self) -> None:
        self.server.requests += 1  # type: ignore[attr-defined]
        if self.headers.get("Upgrade", "").lower() == "websocket":
            self._echo_bytes()
            return
        got = {"method": self.command, "path": self.path, "headers": self.headers.items()}
        self.tell(got | {"length": len(self._body())})

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _echo_bytes(self) -> None:
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        key = self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 §4.2.2
        accept = b64encode(sha1(key.encode(), usedforsecurity=False).digest()).decode()
        self.send_header("Sec-WebSocket-Accept", accept)
        self.send_header("X-Seen-User", self.headers.get("X-User-Id", ""))
        self.end_headers()
        self.wfile.flush()
        self.close_connection = True
        with suppress(OSError):
            while data := self.connection.recv(_PART):
                self.connection.sendall(data)


class Service(ThreadingHTTPServer):
    """The service behind the gateway. ``requests`` counts what reached it."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Echo)
        self.address = f"127.0.0.1:{self.server_port}"
        self.requests = 0

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: gateways break connections, for example of uploads that they refuse."""


@contextmanager
def echoing_service() -> Iterator[Service]:
    with serving(Service()) as service:
        yield service


class Relay:
    """The way to the gate: passes bytes on, keeps what the gateway asked, counts connections. It can break."""

    def __init__(self, target: str) -> None:
        host, _, port = target.partition(":")
        self._target = (host, int(port))
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self.asked = b""
        self.connections = 0
        self._instead: bytes | None = None
        self._delay = 0.0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self._serve()

    def forget(self) -> None:
        self.asked, self.connections = b"", 0

    def answer_instead(self, answer: bytes) -> None:
        """Answer each request with these bytes, and close. Without any bytes, be silent and keep the connection."""
        self._instead = answer

    def answer_late(self, seconds: float) -> None:
        """Hold each answer for that long. The gateway may give up meanwhile."""
        self._delay = seconds

    def go_away(self) -> None:
        """Refuse connections, and break the open ones."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.break_lines()

    def come_back(self) -> None:
        self._delay = 0.0
        if self._listener.fileno() < 0:
            self._listener = socket.create_server(("127.0.0.1", self.port))
            self._serve()
        if self._instead is not None:
            self._instead = None
            self.break_lines()

    def break_lines(self) -> None:
        """Close all open connections, as a gate does with idle ones."""
        with self._lock:
            broken, self._open = self._open, set()
        for line in broken:
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)

    def _serve(self) -> None:
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                line, _ = listener.accept()
                self.connections += 1
                threading.Thread(target=self._pass, args=(line,), daemon=True).start()

    def _pass(self, line: socket.socket) -> None:
        with line, socket.create_connection(self._target) as gate, suppress(OSError):
            for end in (line, gate):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._open |= {line, gate}
            while True:
                for ready in select.select([line, gate], [], [])[0]:
                    data = ready.recv(_PART)
                    if not data:
                        return
                    if ready is line:
                        self.asked = (self.asked + data)[-_PART:]
                    if ready is gate:
                        time.sleep(self._delay)
                    if self._instead is None:
                        (gate if ready is line else line).sendall(data)
                    elif self._instead:
                        line.sendall(self._instead)
                        return
