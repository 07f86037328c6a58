"""A separate installation: a data folder, its servers and commands, and PostgreSQL's own programs."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.environment import ROOT, SETTINGS_NAMES
from tests.log_secrets import check_output
from tests.phones import BuddyPhone, Live, ZapPhone
from tests.servers import RunningServer, free_port, wait_until_it_listens
from zapauth.local.embedded_postgres import _Server, socket_folder


class Installation:
    """An installation. Its PostgreSQL runs while a test holds `embedded_postgres.running(data)`."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.guard = data / "restore_guard"
        self.programs = _Server(data).programs
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    def environment(self, **more: str) -> dict[str, str]:
        ours = SETTINGS_NAMES | {"DJANGO_SETTINGS_MODULE"}
        kept = {name: value for name, value in os.environ.items() if name not in ours}
        ours_now = {"DATA_DIR": str(self.data), "PORT": str(self.port), "EMAIL_URL": "dummymail://"}
        return kept | ours_now | {"DRAIN_TIME": "0", "CANARY_EVERY": "0"} | more

    def manage(self, *words: str, stdin: str = "", **environment: str) -> "subprocess.CompletedProcess[str]":
        return self._python("manage.py", *words, stdin=stdin, **environment)

    def try_to_serve(self, **environment: str) -> "subprocess.CompletedProcess[str]":
        """Start a server that is expected to fail, and return its output."""
        return self._python("-m", "zapauth.serve", **environment)

    def _python(self, *words: str, stdin: str = "", **environment: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, *words],
            cwd=ROOT,
            env=self.environment(**environment),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    @contextmanager
    def serving(self, **environment: str) -> Iterator[RunningServer]:
        log = self.data / "server.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "zapauth.serve"],
                cwd=ROOT,
                env=self.environment(**environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        server = RunningServer(self.url, process, log)
        try:
            wait_until_it_listens(server)
            yield server
        finally:
            process.terminate()
            process.wait(60)
        check_output(log.read_text())

    def postgres(self, program: str, *words: str | Path) -> str:
        """Run one of PostgreSQL's own client programs, of the same version as the server."""
        host = ["--host", str(socket_folder(self.data)), "--username", "postgres"]
        done = subprocess.run(
            [self.programs / program, *host, *words], capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def sql(self, statement: str) -> str:
        return self.postgres("psql", "--dbname=zapauth", "-qtAc", statement)

    def dump(self, to: Path) -> None:
        self.postgres("pg_dump", "--dbname=zapauth", "--format=custom", "--file", to)

    def restore(self, backup: Path) -> None:
        """Restore into a new database, even if a client is still connected to the old one."""
        self.postgres("dropdb", "--force", "zapauth")
        self.postgres("createdb", "zapauth")
        self.postgres("pg_restore", "--dbname=zapauth", "--exit-on-error", "--single-transaction", backup)

    def mark(self) -> int:
        return int(self.sql("SELECT number FROM user_sessions_mark"))

    def zap_phone(self, username: str) -> ZapPhone:
        return ZapPhone(Live(self.url), device_token=f"push address of {username}").sign_up(username)

    def buddy_phone(self, username: str) -> BuddyPhone:
        new = json.loads(self.manage("createapp", f"App of {username}", "--json").stdout)
        phone = BuddyPhone(Live(self.url), app_id=new["appId"], app_key=new["appKey"])
        return phone.sign_up(username)


def lines_of(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]
