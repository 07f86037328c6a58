"""Servers that a client package may take for the gate."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

USER, APP = "63fce0e18b8dd4e163d06d5c", "63fce0e18b8dd4e163d06d5d"
SESSION = "0190163d-8694-739b-aea5-966c26f8ad91"
EXTRA = {"sid": SESSION, "app": APP, "level": "user", "role": "nurse", "expires_at": "2026-03-01T12:15:00Z"}


def answer(body: object, status: str = "200 OK", *headers: str, content_type: str = "application/json") -> bytes:
    """Return an answer with that body: bytes, or what json takes."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = [f"HTTP/1.1 {status}", f"Content-Type: {content_type}", f"Content-Length: {len(content)}", *headers, "", ""]
    return "\r\n".join(head).encode() + content


def passed(subject: str = USER, **extra: object) -> bytes:
    return answer({"subject": subject, "extra": EXTRA | extra})


class FakeGate:
    """Answers each request with the parts that ``answer_to`` gives. If there are none, it closes the connection."""

    def __init__(self, answer_to: Callable[[str], Iterator[bytes]]) -> None:
        self._answer_to = answer_to
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/verify"
        self._open: list[socket.socket] = []
        self.requests: list[str] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        # Closing alone does not wake up a thread that accepts or reads.
        for end in (self._listener, *self._open):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    @property
    def connections(self) -> int:
        """How many connections there have been."""
        return len(self._open)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._open.append(connection)
                threading.Thread(target=self._serve, args=[connection], daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            while request := connection.recv(65_536).decode("latin-1"):
                self.requests.append(request)
                parts = 0
                for parts, part in enumerate(self._answer_to(request), 1):  # noqa: B007
                    connection.sendall(part)
                if not parts:
                    return


@contextmanager
def fake_gate(answer_to: Callable[[str], Iterator[bytes]] | bytes) -> Iterator[FakeGate]:
    """Run a server that gives this answer to each request, or what the function gives."""
    gate = FakeGate((lambda _: iter([answer_to])) if isinstance(answer_to, bytes) else answer_to)
    try:
        yield gate
    finally:
        gate.close()
