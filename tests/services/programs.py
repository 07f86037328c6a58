"""Programs of other people in front of a service: Apache, and an upstream that tells what reached it."""

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.servers import free_port
from tests.waiting import wait_until

# Debian's packages put them here.
_APACHE_MODULES = Path("/usr/lib/apache2/modules")
_APACHE = """
ServerName localhost
ServerRoot {folder}
DefaultRuntimeDir {folder}
PidFile {folder}/pid
ErrorLog {folder}/errors
Listen 127.0.0.1:{port}
ServerLimit 1
{user}
{modules}
<VirtualHost 127.0.0.1:{port}>
{configuration}
</VirtualHost>
{more}
"""
# Some programs call us by HTTPS only. So a proxy with HTTPS is in front, as in production.
_TLS = """
Listen 127.0.0.1:{port}
<VirtualHost 127.0.0.1:{port}>
  SSLEngine on
  SSLCertificateFile {folder}/crt
  SSLCertificateKeyFile {folder}/key
  ProxyPass / {behind}/
</VirtualHost>
"""
_ALWAYS = ("mpm_event", "authn_core", "authz_core", "authz_user", "proxy", "proxy_http")


def program(name: str) -> str:
    """Return the path of an installed program. Skips the test if there is none."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin")
    if found is None:
        pytest.skip(f"needs {name}")
    return found


@contextmanager
def running_apache(folder: Path, configuration: str, *, modules: Sequence[str] = (), more: str = "") -> Iterator[str]:
    """Run an Apache with that configuration and these modules, such as "auth_openidc". Yields its URL.

    Skips the test if Apache or a module is not installed. Its log is the file `errors` in ``folder``.

    Args: more: other hosts of the same Apache.
    """
    apache, port = program("apache2"), free_port()
    for name in modules:
        if not (_APACHE_MODULES / f"mod_{name}.so").exists():
            pytest.skip(f"needs Apache's module {name}")
    loaded = [f"LoadModule {name}_module {_APACHE_MODULES}/mod_{name}.so" for name in (*_ALWAYS, *modules)]
    # Started by root, its workers take the rights of this user.
    facts = {"folder": folder, "port": port, "user": "" if os.geteuid() else "User www-data\nGroup www-data"}
    text = _APACHE.format(**facts, modules="\n".join(loaded), configuration=configuration, more=more)
    (folder / "apache.conf").write_text(text)
    process = subprocess.Popen([apache, "-f", folder / "apache.conf", "-D", "FOREGROUND"])
    try:
        wait_until(lambda: process.poll() is not None or is_open(port))
        assert process.poll() is None, (folder / "errors").read_text()
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(60)


def https_host(folder: Path, behind: str) -> tuple[str, str]:
    """Make a certificate and a host of Apache with HTTPS in front of ``behind``. It needs the module "ssl".

    Returns: the host's URL, and its configuration.
    """
    make = [program("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=127.0.0.1"]
    made = subprocess.run([*make, "-keyout", folder / "key", "-out", folder / "crt"], capture_output=True, check=False)
    assert made.returncode == 0, made.stderr
    port = free_port()
    return f"https://127.0.0.1:{port}", _TLS.format(port=port, folder=folder, behind=behind)


def is_open(port: int) -> bool:
    """Return whether a program listens on that port of this machine."""
    with suppress(OSError), closing(socket.create_connection(("127.0.0.1", port), timeout=5)):
        return True
    return False


class _Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        told = {
            "method": self.command,
            "path": self.path,
            "headers": {name.lower(): value for name, value in self.headers.items()},
            "body": self.rfile.read(length).decode("latin-1"),
        }
        body = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Write nothing."""


for _method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
    setattr(_Echo, f"do_{_method}", _Echo._answer)


@contextmanager
def running_upstream() -> Iterator[str]:
    """Run a server that answers 200 with the request as JSON: method, path, headers (in lower case) and body.

    Yields its URL.
    """
    with ThreadingHTTPServer(("127.0.0.1", 0), _Echo) as server:
        server.daemon_threads = True
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
