"""Programs of other people in front of a service: Apache, and an upstream that tells what reached it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.echoes import JsonHandler
from tests.programs import APACHE_MODULES, APACHE_USER, make_certificate, running
from tests.servers import free_port
from tests.serving import serving

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


@contextmanager
def running_apache(folder: Path, configuration: str, *, modules: Sequence[str] = (), more: str = "") -> Iterator[str]:
    """Run an Apache with that configuration and these modules, such as "auth_openidc". Yields its URL.

    Skips the test if Apache or a module is not installed. Its log is the file `errors` in ``folder``.

    Args: more: other hosts of the same Apache.
    """
    port = free_port()
    for name in modules:
        if not (APACHE_MODULES / f"mod_{name}.so").exists():
            pytest.skip(f"needs Apache's module {name}")
    loaded = [f"LoadModule {name}_module {APACHE_MODULES}/mod_{name}.so" for name in (*_ALWAYS, *modules)]
    facts = {"folder": folder, "port": port, "user": APACHE_USER}
    text = _APACHE.format(**facts, modules="\n".join(loaded), configuration=configuration, more=more)
    (folder / "apache.conf").write_text(text)
    command = ["apache2", "-f", str(folder / "apache.conf"), "-D", "FOREGROUND"]
    with running(command, port=port, log=folder / "errors"):
        yield f"http://127.0.0.1:{port}"


def https_host(folder: Path, behind: str) -> tuple[str, str]:
    """Make a certificate and a host of Apache with HTTPS in front of ``behind``. It needs the module "ssl".

    Returns: the host's URL, and its configuration.
    """
    make_certificate(folder, "127.0.0.1")
    port = free_port()
    return f"https://127.0.0.1:{port}", _TLS.format(port=port, folder=folder, behind=behind)


class _Echo(JsonHandler):
    def answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        told = {"method": self.command, "path": self.path, "body": self.rfile.read(length).decode("latin-1")}
        self.tell(told | {"headers": {name.lower(): value for name, value in self.headers.items()}})


@contextmanager
def running_upstream() -> Iterator[str]:
    """Run a server that answers 200 with the request as JSON: method, path, headers (in lower case) and body.

    Yields its URL.
    """
    with serving(ThreadingHTTPServer(("127.0.0.1", 0), _Echo)) as server:
        yield f"http://127.0.0.1:{server.server_port}"
