"""Start the measured servers: ZapAuth as `make run` starts it, and the baselines on the same server program."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

from zapauth.local import secrets

ROOT = Path(__file__).resolve().parent.parent
WORKERS = 2
SECONDS_TO_START = 60


@dataclass(frozen=True)
class Server:
    port: int
    pid: int


def environment(**more: str) -> dict[str, str]:
    """An environment without the caller's settings, so that the default configuration is measured."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "LANG") if name in os.environ}
    return kept | more


def zapauth_environment(data: Path, url: str, settings: str = "zapauth.settings") -> dict[str, str]:
    """The environment of an installation with ``DATABASE_URL``. Its secrets are in the data folder."""
    return environment(
        DATA_DIR=str(data),
        DATABASE_URL=url,
        SECRET_KEY=secrets.secret_key(data),
        SIGNING_KEYS=secrets.signing_keys(data),
        ALLOWED_HOSTS="127.0.0.1",
        EMAIL_URL="consolemail://",
        HTTPS="off",
        RESTORE_GUARD="off",  # the bench copies and replaces databases
        DJANGO_SETTINGS_MODULE=settings,
    )


def baseline_environment(data: Path, settings: str, url: str) -> dict[str, str]:
    # The tokens are signed with this key (HS256), so all processes need the same one.
    return environment(DATABASE_URL=url, SECRET_KEY=secrets.secret_key(data), DJANGO_SETTINGS_MODULE=settings)


ZAPAUTH = ["-m", "zapauth.serve"]


def baseline(threads: int) -> list[str]:
    """Arguments that start a baseline with the same server options that `zapauth.serve` uses."""
    return [
        *("-c", "from granian.cli import entrypoint; entrypoint()", "--interface", "wsgi"),
        *("--workers", str(WORKERS), "--blocking-threads", str(threads), "--no-ws", "--respawn-failed-workers"),
        *("--log-level", "warning", "bench.baselines.wsgi:application"),
    ]


@contextmanager
def serving(arguments: list[str], given: dict[str, str], *, ping: str = "/service/ping") -> Iterator[Server]:
    """Serve on a free port during the block. Raises: RuntimeError with the log, if the server does not answer."""
    port = free_port()
    # ZapAuth reads PORT and WORKERS. granian's own command line reads GRANIAN_PORT.
    given = given | {"PORT": str(port), "WORKERS": str(WORKERS), "GRANIAN_PORT": str(port)}
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [sys.executable, *arguments], cwd=ROOT, env=given, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            if not _answers(process, port, ping):
                log.seek(0)
                raise RuntimeError(f"the server does not answer:\n{log.read().decode()[-4000:]}")
            yield Server(port, process.pid)
        finally:
            process.terminate()
            process.wait(30)


def run_python(*arguments: str, given: dict[str, str], stdin: str = "") -> str:
    """Run the program and return its output. Raises: SystemExit, if it fails. Its errors go to standard error."""
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=given, input=stdin, stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(arguments)} failed")
    return done.stdout


def _answers(process: subprocess.Popen[bytes], port: int, path: str) -> bool:
    deadline = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < deadline and process.poll() is None:
        with closing(HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
            try:
                connection.request("GET", path)
                connection.getresponse().read()
                return True
            except OSError:
                time.sleep(0.05)
    return False


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
