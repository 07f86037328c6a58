"""`python -m tests.upgrade.old_server CODE`: an upgrade under a server of the previous release. Not part of the suite.

CODE is a folder with the code of the previous release, such as a git worktree. Its server runs on a database with a
million users and sessions, and clients read, log in and log out over HTTP, while this code runs `manage.py migrate`.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg

from tests.environment import ROOT
from tests.traffic import Traffic
from tests.upgrade.population import fill

PREVIOUS = ["token_blacklist", "admin", "user_sessions=0008", "users=0011"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("code", type=Path)
    parser.add_argument("--users", type=int, default=1_000_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="zapauth-upgrade-", ignore_cleanup_errors=True) as folder:
        os.environ |= {"DATA_DIR": folder, "DJANGO_SETTINGS_MODULE": "zapauth.settings", "THROTTLING": "off"}
        import django

        django.setup()
        from zapauth.local.embedded_postgres import running, socket_folder

        with running():
            url = f"postgres://postgres@/zapauth?host={socket_folder(Path(folder))}"
            _migrate(*PREVIOUS)
            _timed("fill", lambda: _fill(url, options.users))
            _upgrade(options.code)


def _upgrade(code: Path) -> None:
    from tests.servers import free_port

    port = free_port()
    server = subprocess.Popen(
        [sys.executable, "-m", "zapauth.serve"],
        cwd=code,
        # The suite's settings have a cheap hash of passwords: this is about locks.
        env=os.environ | {"PORT": str(port), "LOG_LEVEL": "ERROR", "DJANGO_SETTINGS_MODULE": "tests.settings"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        print(server.stdout.readline().strip())
        with Clients(f"http://127.0.0.1:{port}") as clients:
            time.sleep(5)
            print("before:", clients.take())
            _timed("migrate", lambda: _migrate("all"))
            print("meanwhile:", clients.take())
            time.sleep(5)
        print("the old server on the new tables:", clients.take())
    finally:
        server.terminate()
        server.wait(60)


class Clients(Traffic):
    """Four clients, each with an account of its own, that read, refresh, log out and log in."""

    def __init__(self, url: str) -> None:
        from tests.phones import Live, ZapPhone

        super().__init__([ZapPhone(Live(url)).sign_up(f"upgrade_{number}") for number in range(4)], pause=0)

    def go_on(self, client: Any) -> None:
        while self.goes_on():
            self.call("read", client.me)
            self.call("refresh", client.refresh)
            self.call("log out", client.log_out)
            self.call("log in", client.log_in, client.username)

    def take(self) -> str:
        """Return the longest waits, in seconds, and the failed calls. Begin to note them anew."""
        longest = {kind: round(took, 3) for kind, took in self.longest.items()}
        refused = [f"{kind}: {answer}" for kind, answer in self.failed]
        told = json.dumps({"calls": self.calls.total(), "longest_s": longest, "refused": refused})
        self.longest, self.calls, self.failed = {}, Counter(), []
        return told


def _fill(url: str, users: int) -> None:
    with psycopg.connect(url, autocommit=True) as link:
        fill(link, users)


def _migrate(*targets: str) -> None:
    words = [sys.executable, "-m", "tests.upgrade.observed", *targets]
    subprocess.run(words, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def _timed(what: str, work: Callable[[], None]) -> None:
    began = time.monotonic()
    work()
    print(f"{what}: {time.monotonic() - began:.1f} s", flush=True)


if __name__ == "__main__":
    main()
