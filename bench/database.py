"""The PostgreSQL of a bench: the embedded server on its own data folder. It also listens on a TCP port."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from bench.serving import free_port
from zapauth.local.embedded_postgres import _Server, _shared_buffers, running, socket_folder

LONGEST_SWEEP = 300  # seconds


class Database:
    """A running PostgreSQL server. Databases are addressed by name."""

    def __init__(self, data: Path, *, port: int, over_sockets: bool = False) -> None:
        self.data, self.port, self.over_sockets = data, port, over_sockets

    def url(self, name: str) -> str:
        """The URL for the measured servers: over TCP, or over the Unix socket if ``over_sockets`` is set."""
        if self.over_sockets:
            return f"postgres://postgres@/{name}?host={socket_folder(self.data)}&port={self.port}"
        return f"postgres://postgres@127.0.0.1:{self.port}/{name}"

    def connect(self, name: str = "postgres") -> psycopg.Connection[Any]:
        return psycopg.connect(self.url(name), autocommit=True)

    @property
    def pid(self) -> int:
        """The process id of the postmaster. All other processes of PostgreSQL are its children."""
        return int((self.data / "postgres" / "postmaster.pid").read_text().split("\n", 1)[0])

    def exists(self, name: str) -> bool:
        with self.connect() as connection:
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,))
            return found.fetchone() is not None

    def create(self, name: str) -> None:
        """Create the database if it does not exist."""
        if not self.exists(name):
            with self.connect() as connection:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))

    def rename(self, name: str, to: str) -> None:
        with self.connect() as connection:
            connection.execute(
                sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(name), sql.Identifier(to))
            )

    def drop(self, name: str) -> None:
        with self.connect() as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    @contextmanager
    def copy(self, template: str, name: str) -> Iterator[str]:
        """Copy the database ``template``, and write a checkpoint. Drop the copy at the end of the block."""
        self.drop(name)  # an interrupted bench may have left a copy
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
        with self.connect() as connection:
            connection.execute(statement)
        self.write_out()
        try:
            yield name
        finally:
            self.drop(name)

    def tidy(self, name: str) -> None:
        """Vacuum now. Autovacuum would do the same during a measurement."""
        with self.connect(name) as connection:
            connection.execute("VACUUM (FREEZE, ANALYZE)")

    def write_out(self) -> None:
        """Write a checkpoint now, so that none starts during the next measurement."""
        with self.connect() as connection:
            connection.execute("CHECKPOINT")

    def wait_for_sweeps(self) -> None:
        """Wait until no sweep runs: it would disturb a measurement. ZapAuth sweeps at start and every five minutes."""
        deadline = time.monotonic() + LONGEST_SWEEP
        with self.connect() as connection:
            # A sweep holds an advisory lock while it runs.
            while connection.execute("SELECT 1 FROM pg_locks WHERE locktype = 'advisory'").fetchone():
                if time.monotonic() > deadline:
                    raise RuntimeError("a sweep takes too long")
                time.sleep(0.1)

    @contextmanager
    def without_autovacuum(self) -> Iterator[None]:
        """Switch autovacuum off in the block: its bursts would disturb a measurement."""
        self._set_autovacuum("off")
        try:
            yield
        finally:
            self._set_autovacuum("on")

    def _set_autovacuum(self, word: str) -> None:
        with self.connect() as connection:
            connection.execute(sql.SQL("ALTER SYSTEM SET autovacuum = {}").format(sql.Literal(word)))
            connection.execute("SELECT pg_reload_conf()")


@contextmanager
def running_database(data: Path, *, over_sockets: bool = False) -> Iterator[Database]:
    with running(data):
        database = Database(data, port=free_port(), over_sockets=over_sockets)
        # By default the embedded server listens on its socket only.
        server = _Server(data)
        options = f"-h 127.0.0.1 -p {database.port} -k '{server.sockets}' -c shared_buffers={_shared_buffers()}MB"
        server._run("pg_ctl", "restart", "-w", "-s", "-D", server.folder, "-l", server.log, "-o", options)
        yield database
