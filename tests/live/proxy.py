"""docs/nginx.conf in a real nginx, in front of real servers."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from tests.environment import ROOT
from tests.programs import make_certificate, nginx_command, running
from tests.servers import free_port

HOST = "auth.example.org"


@contextmanager
def running_nginx(folder: Path, changes: dict[str, str]) -> Iterator[int]:
    """Run nginx with our configuration, except for addresses, files and ``changes``. Yields its port."""
    port = free_port()
    make_certificate(folder, HOST)
    ours = {"listen 443 ssl": f"listen 127.0.0.1:{port} ssl", f"/etc/ssl/{HOST}.": f"{folder}/"}
    text = (ROOT / "docs" / "nginx.conf").read_text()
    for old, new in (ours | changes).items():
        assert old in text
        text = text.replace(old, new)
    (folder / "zapauth.conf").write_text(text)
    with running(nginx_command(folder, workers=1), port=port, log=folder / "errors"):
        yield port


def unchecked() -> ssl.SSLContext:
    """Return a context that accepts the certificate of `running_nginx`."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def connect(port: int) -> closing[ssl.SSLSocket]:
    plain = socket.create_connection(("127.0.0.1", port), timeout=20)
    return closing(unchecked().wrap_socket(plain, server_hostname=HOST))
