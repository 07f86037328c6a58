"""The PostgreSQL of a bench: the embedded one on a data folder of its own, which listens on a TCP port, too."""

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
    """The running server, and the databases in it by name."""

    def __init__(self, data: Path, *, port: int, over_sockets: bool = False) -> None:
        self.data, self.port, self.over_sockets = data, port, over_sockets

    def url(self, name: str) -> str:
        """As the measured servers reach it: by TCP, unless they are to use its Unix socket."""
        if self.over_sockets:
            return f"postgres://postgres@/{name}?host={socket_folder(self.data)}&port={self.port}"
        return f"postgres://postgres@127.0.0.1:{self.port}/{name}"

    def connect(self, name: str = "postgres") -> psycopg.Connection[Any]:
        return psycopg.connect(self.url(name), autocommit=True)

    @property
    def pid(self) -> int:
        """The postmaster's: all of PostgreSQL's processes are its children."""
        return int((self.data / "postgres" / "postmaster.pid").read_text().split("\n", 1)[0])

    def exists(self, name: str) -> bool:
        with self.connect() as connection:
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,))
            return found.fetchone() is not None

    def create(self, name: str) -> None:
        """Unless it is there."""
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
        """A copy of ``template``, as it is after a checkpoint; gone at the end."""
        self.drop(name)  # an interrupted bench may have left one behind
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
        with self.connect() as connection:
            connection.execute(statement)
        self.write_out()
        try:
            yield name
        finally:
            self.drop(name)

    def tidy(self, name: str) -> None:
        """What autovacuum does in its own time, at a time of our choice."""
        with self.connect(name) as connection:
            connection.execute("VACUUM (FREEZE, ANALYZE)")

    def write_out(self) -> None:
        """A checkpoint, so that none that is due falls on what is measured next."""
        with self.connect() as connection:
            connection.execute("CHECKPOINT")

    def wait_for_sweeps(self) -> None:
        """ZapAuth sweeps when it starts, and every five minutes: not on what is measured next."""
        deadline = time.monotonic() + LONGEST_SWEEP
        with self.connect() as connection:
            # A sweep holds its lock for as long as it takes.
            while connection.execute("SELECT 1 FROM pg_locks WHERE locktype = 'advisory'").fetchone():
                if time.monotonic() > deadline:
                    raise RuntimeError("a sweep takes too long")
                time.sleep(0.1)

    @contextmanager
    def without_autovacuum(self) -> Iterator[None]:
        """Its bursts would fall on whoever is being measured."""
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
        # The embedded server listens on its socket only.
        server = _Server(data)
        options = f"-h 127.0.0.1 -p {database.port} -k '{server.sockets}' -c shared_buffers={_shared_buffers()}MB"
        server._run("pg_ctl", "restart", "-w", "-s", "-D", server.folder, "-l", server.log, "-o", options)
        yield database
