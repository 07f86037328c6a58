"""docs/nginx.conf in a real nginx, in front of real servers."""

import os
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from tests.environment import ROOT
from tests.servers import free_port
from tests.waiting import wait_until

MAIN = """
daemon off; pid {folder}/pid; error_log {folder}/errors; worker_processes 1; {user}
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/bodies; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    include {folder}/zapauth.conf;
}}
"""
HOST = "auth.example.org"


@contextmanager
def running_nginx(folder: Path, changes: dict[str, str]) -> Iterator[int]:
    """Run nginx with our configuration, except for addresses, files and ``changes``. Yields its port."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if program is None:
        pytest.skip("needs nginx")
    user = "" if os.geteuid() else "user root;"  # otherwise its workers run as nobody, who cannot write there
    port = free_port()
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={HOST}"]
    made = subprocess.run([*make, "-keyout", folder / "key", "-out", folder / "crt"], capture_output=True, check=False)
    assert made.returncode == 0, made.stderr
    ours = {"listen 443 ssl": f"listen 127.0.0.1:{port} ssl", f"/etc/ssl/{HOST}.": f"{folder}/"}
    text = (ROOT / "docs" / "nginx.conf").read_text()
    for old, new in (ours | changes).items():
        assert old in text
        text = text.replace(old, new)
    (folder / "zapauth.conf").write_text(text)
    (folder / "main.conf").write_text(MAIN.format(folder=folder, user=user))
    process = subprocess.Popen([program, "-p", folder, "-e", folder / "errors", "-c", folder / "main.conf"])
    try:
        wait_until(lambda: process.poll() is not None or can_connect(port))
        assert process.poll() is None, (folder / "errors").read_text()
        yield port
    finally:
        process.terminate()
        process.wait(60)


def can_connect(port: int) -> bool:
    with suppress(OSError), closing(socket.create_connection(("127.0.0.1", port), timeout=5)):
        return True
    return False


def unchecked() -> ssl.SSLContext:
    """Return a context that accepts the certificate of `running_nginx`."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def connect(port: int) -> closing[ssl.SSLSocket]:
    plain = socket.create_connection(("127.0.0.1", port), timeout=20)
    return closing(unchecked().wrap_socket(plain, server_hostname=HOST))
