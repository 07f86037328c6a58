"""A mail server that does what a test wants: it takes mails, refuses them, or is slow."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email import message_from_string
from email.message import Message


class MailServer:
    """A mail server on a port of its own.

    ``answers``: what it says to a command instead of 250, by the first word of the command.
    ``goes_on``: while it is not set, each mail waits before its last answer.
    """

    def __init__(self, port: int = 0) -> None:
        self.mails: list[Message] = []
        self.answers: dict[str, str] = {}
        self.goes_on = threading.Event()
        self.goes_on.set()
        self.begun = 0  # how many mails have arrived, but for the last answer
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port = self._listener.getsockname()[1]
        self._open: set[socket.socket] = set()
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    def close(self) -> None:
        """Refuse connections from now on, and cut the open ones."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for each in list(self._open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._talk, args=[client], daemon=True).start()

    def _talk(self, client: socket.socket) -> None:
        self._open.add(client)
        with client, client.makefile("rw", newline="\r\n") as stream, suppress(OSError):
            say = lambda text: (stream.write(f"{text}\n"), stream.flush())  # noqa: E731
            say("220 ready")
            for line in stream:
                command = line.split()[0].upper()
                answer = self.answers.get(command, "354 go on" if command == "DATA" else "250 ok")
                say(answer)
                if answer.startswith("354"):
                    self._take(stream)
                    say(self.answers.get("END", "250 taken"))
        self._open.discard(client)

    def _take(self, stream: socket.SocketIO) -> None:
        lines = []
        for line in stream:
            if line == ".\r\n":
                break
            lines.append(line.removeprefix("."))
        self.begun += 1
        self.goes_on.wait(60)
        if "END" not in self.answers:
            self.mails.append(message_from_string("".join(lines).replace("\r\n", "\n")))


@contextmanager
def mail_server(port: int = 0) -> Iterator[MailServer]:
    server = MailServer(port)
    try:
        yield server
    finally:
        server.goes_on.set()
        server.close()
