"""A PostgreSQL that a program can stop and start again, over TCP and over a Unix socket."""

import time
from pathlib import Path

import psycopg

from zapauth.local.embedded_postgres import _Server, socket_folder


class RestartablePostgres:
    """PostgreSQL from the embedded server's programs, on its own data folder. It starts with the instance."""

    def __init__(self, data: Path, *, port: int) -> None:
        self.data, self.port = data, port
        data.chmod(0o755)
        self._server = _Server(data)
        self._server.start()  # makes the database
        self._server.stop()
        self.start()
        self.wait_until_it_answers()

    def url(self, over: str) -> str:
        if over == "tcp":
            return f"postgres://postgres@127.0.0.1:{self.port}/zapauth"
        return f"postgres://postgres@/zapauth?host={socket_folder(self.data)}&port={self.port}"

    def start(self) -> None:
        options = f"-h 127.0.0.1 -p {self.port} -k {socket_folder(self.data)} -c fsync=off"
        folder, log = self._server.folder, self._server.log
        self._server._run("pg_ctl", "start", "-W", "-s", "-D", folder, "-l", log, "-o", options)

    def stop(self) -> None:
        """Stop immediately, as in a crash. Return when the server is gone."""
        self._server._run("pg_ctl", "stop", "-w", "-s", "-m", "immediate", "-D", self._server.folder, check=False)

    def wait_until_it_answers(self, *, seconds: float = 60) -> float:
        """Return the time of the first answer, by `time.monotonic()`."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                with psycopg.connect(self.url("tcp"), connect_timeout=2) as link:
                    link.execute("SELECT 1")
                return time.monotonic()
            except psycopg.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
