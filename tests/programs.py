"""Programs of other people that the tests start, such as nginx. A test that needs a missing one is skipped."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from tests.waiting import wait_until

APACHE_MODULES = Path("/usr/lib/apache2/modules")  # Debian's packages put them here
_IS_ROOT = not os.geteuid()
# Started by root, Apache's workers take the rights of this user.
APACHE_USER = "User www-data\nGroup www-data" if _IS_ROOT else ""
_NGINX = """
daemon off; pid {folder}/pid; error_log {folder}/errors; worker_processes {workers}; {user}
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/bodies; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    include {folder}/zapauth.conf;
}}
"""


def program(name: str) -> str:
    """Return the path of an installed program. Skips the test if there is none."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin")
    if found is None:
        pytest.skip(f"needs {name}")
    return found


def nginx_command(folder: Path, *, workers: int) -> list[str]:
    """Return the command that runs nginx with `zapauth.conf` of ``folder``. nginx writes into that folder only."""
    user = "user root;" if _IS_ROOT else ""  # otherwise its workers run as nobody, who cannot write there
    main = folder / "main.conf"
    main.write_text(_NGINX.format(folder=folder, workers=workers, user=user))
    return ["nginx", "-p", str(folder), "-e", str(folder / "errors"), "-c", str(main)]


@contextmanager
def running(
    command: Sequence[str], *, port: int, log: Path, environment: Mapping[str, str] | None = None
) -> Iterator[None]:
    """Run a program while the block runs. The block begins when the program listens on ``port``.

    Args: log: gets the output. The program may write there, too.
    """
    with log.open("ab") as output:
        process = subprocess.Popen(
            [program(command[0]), *command[1:]],
            env=os.environ | (environment or {}),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        try:
            wait_until(lambda: process.poll() is not None or _is_open(port))
            assert process.poll() is None, log.read_text()
            yield
        finally:
            process.terminate()
            process.wait(60)


def make_certificate(folder: Path, host: str) -> None:
    """Make a certificate for ``host`` and its private key: the files `crt` and `key` in ``folder``."""
    make = [program("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={host}"]
    made = subprocess.run([*make, "-keyout", folder / "key", "-out", folder / "crt"], capture_output=True, check=False)
    assert made.returncode == 0, made.stderr


def _is_open(port: int) -> bool:
    with suppress(OSError), closing(socket.create_connection(("127.0.0.1", port), timeout=5)):
        return True
    return False
