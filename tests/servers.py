"""Real servers for the suite: `python -m zapauth.serve` with several workers, on the test database."""

import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import psutil
from django.conf import settings
from django.db import connection

from tests.environment import ROOT
from tests.log_secrets import check_output

# Settings that a server with DATABASE_URL needs to start. Commands need none of them. Mails would be in the output,
# which is searched for secrets.
MAY_SERVE = {"ALLOWED_HOSTS": "127.0.0.1", "EMAIL_URL": "dummymail://"}

# Ports below the range from which the kernel takes ports of connections: a connection could take the port first.
# And above port 10080, the last one that browsers refuse (https://fetch.spec.whatwg.org/#port-blocking).
_PORTS = range(10_081, 32_768)


@dataclass
class RunningServer:
    base_url: str
    process: subprocess.Popen[bytes]
    log: Path
    text: str = ""  # the whole output, once the server has stopped

    def workers(self) -> list[psutil.Process]:
        """Return the worker processes, without the helper process that Python starts beside them."""
        children = psutil.Process(self.process.pid).children()
        return [child for child in children if _is_worker(child)]


def _is_worker(process: psutil.Process) -> bool:
    try:
        return "spawn_main" in " ".join(process.cmdline())
    except psutil.NoSuchProcess:  # it has died, or is a zombie
        return False


@contextmanager
def running_server(*options: str, **environment: str) -> Iterator[RunningServer]:
    """Serve the test database with production settings on a free port. Stop the server at the end."""
    port = int(environment.get("PORT", free_port()))
    given = test_environment() | MAY_SERVE | {"PORT": str(port), "WORKERS": "2"}
    with tempfile.NamedTemporaryFile("wb", prefix="zapauth-server-", suffix=".log") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "zapauth.serve", *options],
            cwd=ROOT,
            env=given | environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        server = RunningServer(f"http://127.0.0.1:{port}", process, Path(log.name))
        try:
            wait_until_it_listens(server)
            yield server
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)
        server.text = server.log.read_text()
    check_output(server.text)


def test_environment() -> dict[str, str]:
    """Return the environment of a process that uses the test database with production settings."""
    return os.environ | {
        "DATABASE_URL": test_database_url(),
        "SECRET_KEY": settings.SECRET_KEY,
        "SIGNING_KEYS": settings.SIGNING_KEYS,
        "TOKEN_ISSUER": settings.TOKEN_ISSUER,
        "HTTPS": "off",
        "STAFF_SECOND_FACTOR": "off",
        "RESTORE_GUARD": "off",  # the tests empty the tables
    }


def wait_until_it_listens(server: RunningServer, *, seconds: float = 60) -> None:
    """Return when the server has printed that it listens. Fails with its log if it dies or takes too long."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and server.process.poll() is None:
        if "ZapAuth listens on " in server.log.read_text():
            return
        time.sleep(0.02)
    raise AssertionError(f"the server does not listen:\n{server.log.read_text()}")


def ping(server: RunningServer) -> int | None:
    """Return the status of the server's answer, or None if there is no answer."""
    try:
        with closing(HTTPConnection(server.base_url.removeprefix("http://"), timeout=30)) as connection:
            connection.request("GET", "/service/ping")
            return connection.getresponse().status
    except (OSError, HTTPException):
        return None


def free_port() -> int:
    """Return a free port. It is chosen at random, because several suites may look for one at the same time."""
    while True:
        port = random.choice(_PORTS)
        with closing(socket.socket()) as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def test_database_url() -> str:
    """Return the URL of the test database, as an operator would write it."""
    facts = connection.settings_dict
    user = facts["USER"] + (f":{facts['PASSWORD']}" if facts["PASSWORD"] else "")
    host, port = facts["HOST"], facts["PORT"]
    if host.startswith("/"):
        return f"postgres://{user}@/{facts['NAME']}?host={host}"
    return f"postgres://{user}@{host}{f':{port}' if port else ''}/{facts['NAME']}"


for _function in (test_environment, test_database_url):
    _function.__test__ = False  # type: ignore[attr-defined]  # not a test, whatever its name
