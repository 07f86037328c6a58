"""Torture a peer: clients that log in, read, refresh and log out, while workers and PostgreSQL are killed."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import psutil
import psycopg

from bench.database import Database, running_database
from bench.serving import Server, run_python
from tests.history.history import Call, Disturbance, Ends, History, Outcome, Recorder, now
from tests.history.peers.services import Answer, Http, Peer, Tokens
from zapauth.local.embedded_postgres import _Server

CLIENTS = 8
PAUSE = 4.0  # seconds between two disturbances
_REFUSED = (401, 403)
_labels = count(1)


@dataclass
class _Login:
    """A log-in that several clients use at once. Only the client that made it refreshes."""

    session: str
    user: str
    tokens: Tokens
    refresh_label: str = ""
    earlier: list[Tokens] = field(default_factory=list)  # the pairs before a refresh
    is_over: bool = False


@dataclass
class _World:
    peer: Peer
    http: Http
    recorder: Recorder
    until: float
    logins: list[_Login | None] = field(default_factory=lambda: [None] * CLIENTS)


class Client(threading.Thread):
    """One user. It has one log-in at a time, and also reads by the tokens of the other clients' log-ins."""

    def __init__(self, number: int, world: _World, seed: int) -> None:
        super().__init__(name=f"client {number}", daemon=True)
        self._number, self._world = number, world
        self._user = f"bench_{number}"
        self._random = random.Random(f"{seed} {number}")

    def run(self) -> None:
        while time.monotonic() < self._world.until:
            mine = self._log_in()
            if mine is None:
                time.sleep(0.05)
                continue
            self._world.logins[self._number] = mine
            for _ in range(self._random.randint(2, 8)):
                self._use(mine)
            if self._world.peer.refresh and self._random.random() < 0.5:
                self._refresh(mine)
            if not mine.is_over:
                self._log_out(mine)
                # The same tokens again, and the ones from before the refresh: they must be refused now.
                for tokens in (mine.tokens, *mine.earlier):
                    self._read(mine, tokens)

    def _use(self, mine: _Login) -> None:
        other = self._random.choice(self._world.logins)
        self._read(other if other is not None and self._random.random() < 0.3 else mine)

    def _log_in(self) -> _Login | None:
        began = now()
        answer, tokens = self._world.peer.log_in(self._world.http, self._user)
        if not answer.is_good:
            self._note("login", began, answer, user=self._user)
            return None
        made = _Login(f"session-{next(_labels)}", self._user, tokens, f"refresh-{next(_labels)}")
        self._note("login", began, answer, session=made.session, user=made.user, good=Outcome.DONE)
        return made

    def _read(self, login: _Login, tokens: Tokens | None = None) -> None:
        began = now()
        answer = self._world.peer.read(self._world.http, tokens or login.tokens)
        self._note("read", began, answer, session=login.session, user=login.user)

    def _refresh(self, mine: _Login) -> None:
        assert self._world.peer.refresh is not None
        began = now()
        answer, tokens = self._world.peer.refresh(self._world.http, mine.tokens)
        if answer.is_good:
            mine.earlier.append(mine.tokens)
            before, mine.tokens, mine.refresh_label = mine.refresh_label, tokens, f"refresh-{next(_labels)}"
            self._note("refresh", began, answer, session=mine.session, token=before, brought=mine.refresh_label)
            return
        # Without an answer nobody knows whether the token is used up. Then the log-in is given up.
        self._note("refresh", began, answer, user=mine.user)
        mine.is_over = True

    def _log_out(self, mine: _Login) -> None:
        began = now()
        answer = self._world.peer.log_out(self._world.http, mine.tokens)
        facts = {"session": mine.session, "user": mine.user, "ends": Ends.THIS}
        self._note("logout", began, answer, good=Outcome.DONE, **facts)

    def _note(self, op: str, began: int, answer: Answer, *, good: Outcome = Outcome.ACCEPTED, **facts: Any) -> None:
        outcome = _outcome(answer, good)
        ended = None if answer.status is None else now()
        facts |= {"client": self._number, "status": answer.status, "dialect": self._world.peer.name}
        self._world.recorder.add(Call(op=op, began=began, ended=ended, outcome=outcome, **facts))


def _outcome(answer: Answer, good: Outcome) -> Outcome:
    if answer.status is None:
        return Outcome.UNKNOWN
    if answer.is_good:
        return good
    if answer.status in _REFUSED:
        return Outcome.REFUSED
    return Outcome.UNAVAILABLE if answer.status == 503 else Outcome.ERROR


class Nemesis:
    """Kills a worker, cuts the connections to the database, or crashes PostgreSQL, in turn."""

    def __init__(self, database: Database, server: Server, world: _World) -> None:
        self._database, self._server, self._world = database, server, world

    def run(self) -> None:
        acts: list[tuple[str, str, Callable[[], None]]] = [
            ("kill a worker", "process", self._kill_worker),
            ("terminate the backends", "connections", self._terminate),
            ("crash PostgreSQL", "database", self._crash),
        ]
        turn = 0
        while time.monotonic() + PAUSE < self._world.until:
            time.sleep(PAUSE)
            act, disturbs, carry_out = acts[turn % len(acts)]
            began = now()
            with suppress(psycopg.Error):
                carry_out()
            self._world.recorder.add(Disturbance(act=act, disturbs=disturbs, began=began, ended=now()))
            turn += 1

    def _kill_worker(self) -> None:
        workers = [each for each in psutil.Process(self._server.pid).children() if "spawn_main" in str(each.cmdline())]
        if workers:
            workers[0].kill()

    def _terminate(self) -> None:
        with self._database.connect() as link:
            link.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
            )

    def _crash(self) -> None:
        server = _Server(self._database.data)
        server._run("pg_ctl", "restart", "-w", "-s", "-m", "immediate", "-D", server.folder, "-l", server.log)


def torture(
    peer: Peer, *, seconds: float, seed: int, folder: Path, made: Callable[[Path], None] = Path.mkdir
) -> History:
    """Run the clients and the nemesis against the peer. The history is also in ``folder``.

    Args: made: makes the data folder, perhaps with a database.
    """
    recorder = Recorder(folder / f"{peer.name}.jsonl")
    with ExitStack() as stack:
        stack.callback(recorder.close)
        database, server = stack.enter_context(_serving(peer, folder / f"{peer.name} data", made))
        world = _World(peer, Http(server.port), recorder, time.monotonic() + seconds)
        clients = [Client(number, world, seed) for number in range(CLIENTS)]
        for client in clients:
            client.start()
        Nemesis(database, server, world).run()
        for client in clients:
            client.join()
    return recorder.history


@contextmanager
def _serving(peer: Peer, data: Path, made: Callable[[Path], None]) -> Iterator[tuple[Database, Server]]:
    made(data)
    with running_database(data) as database:
        peer.project.migrate(database)
        made = f"import django; django.setup(); from bench.baselines.users import make_users; make_users({CLIENTS})"
        run_python("-c", made, given=peer.project.environment(database))
        with peer.project.serve(database) as server:
            yield database, server
