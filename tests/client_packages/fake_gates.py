"""Servers that a client package may take for the gate."""

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

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

    def __init__(self, answer_to: Callable[[str], Iterator[bytes]], tls: ssl.SSLContext | None) -> None:
        self._answer_to, self._tls = answer_to, tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self._listener.getsockname()[1]}/verify"
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

    def _wrapped(self, connection: socket.socket) -> socket.socket:
        return self._tls.wrap_socket(connection, server_side=True) if self._tls else connection

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError), self._wrapped(connection) as connection:
            while request := connection.recv(65_536).decode("latin-1"):
                self.requests.append(request)
                parts = 0
                for parts, part in enumerate(self._answer_to(request), 1):  # noqa: B007
                    connection.sendall(part)
                if not parts:
                    return


@contextmanager
def fake_gate(
    answer_to: Callable[[str], Iterator[bytes]] | bytes, *, tls: ssl.SSLContext | None = None
) -> Iterator[FakeGate]:
    """Run a server that gives this answer to each request, or what the function gives."""
    gate = FakeGate((lambda _: iter([answer_to])) if isinstance(answer_to, bytes) else answer_to, tls)
    try:
        yield gate
    finally:
        gate.close()


def self_signed(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """Make a certificate for 127.0.0.1. Returns: the context of a server, and the file with the certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder(
        name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1)
    )
    addresses = x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))])
    certificate = made.add_extension(addresses, critical=False).sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)
    (folder / "both.pem").write_bytes(
        certificate + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    (folder / "certificate.pem").write_bytes(certificate)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "both.pem")
    return context, folder / "certificate.pem"
