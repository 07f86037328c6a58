"""A TCP proxy in front of PostgreSQL that can fall silent: connections stay open, but no data passes."""

import socket
import threading
from contextlib import suppress


class Proxy:
    def __init__(self, to: tuple[str, int]) -> None:
        self._to = to
        self._speaks = threading.Event()
        self._speaks.set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def fall_silent(self) -> None:
        self._speaks.clear()

    def speak_again(self) -> None:
        """Let new connections pass again. The old ones are lost, as after the failure of a host."""
        self._speaks.set()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self._speaks.is_set():
                    self._connect(client)
                else:
                    _lost.append(client)

    def _connect(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(self._to)
        except OSError:
            client.close()
            return
        for source, target in ((client, server), (server, client)):
            threading.Thread(target=self._copy, args=[source, target], daemon=True).start()

    def _copy(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while part := source.recv(65536):
                if not self._speaks.is_set():
                    _lost.append(target)
                    return
                target.sendall(part)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


# The connections stay open.
_lost: list[socket.socket] = []
