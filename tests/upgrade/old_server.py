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
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg

from tests.environment import ROOT
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
        clients = Clients(f"http://127.0.0.1:{port}")
        clients.go_on_for(5)
        print("before:", clients.take())
        _timed("migrate", lambda: _migrate("all"))
        print("meanwhile:", clients.take())
        clients.go_on_for(5)
        clients.stop()
        print("the old server on the new tables:", clients.take())
    finally:
        server.terminate()
        server.wait(60)


class Clients:
    """Four clients, each with an account of its own. They note the longest wait and answers other than 200."""

    def __init__(self, url: str) -> None:
        from tests.phones import Live, ZapPhone

        self.done, self.longest, self.calls = threading.Event(), dict[str, float](), 0
        self.refused: list[str] = []
        phones = [ZapPhone(Live(url)).sign_up(f"upgrade_{number}") for number in range(4)]
        self.threads = [threading.Thread(target=self._go_on, args=[phone]) for phone in phones]
        for thread in self.threads:
            thread.start()

    def _go_on(self, phone: Any) -> None:
        while not self.done.is_set():
            self._note("read", phone.me)
            self._note("refresh", phone.refresh)
            self._note("log out", phone.log_out)
            self._note("log in", lambda: phone.log_in(phone.username))

    def _note(self, kind: str, call: Callable[[], Any]) -> None:
        began = time.monotonic()
        reply = call()
        self.longest[kind] = max(self.longest.get(kind, 0), time.monotonic() - began)
        self.calls += 1
        if reply.status != 200:
            self.refused.append(f"{kind}: {reply}")

    def go_on_for(self, seconds: float) -> None:
        time.sleep(seconds)

    def take(self) -> str:
        longest = {kind: round(took, 3) for kind, took in self.longest.items()}
        told = json.dumps({"calls": self.calls, "longest_s": longest, "refused": self.refused})
        self.longest, self.calls, self.refused = {}, 0, []
        return told

    def stop(self) -> None:
        self.done.set()
        for thread in self.threads:
            thread.join(60)


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
