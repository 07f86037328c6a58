"""A history: what each client called, when, and what came back. A JSON object in each line, for any checker to read.

All times are nanoseconds of one monotonic clock: all clients are on one host. No token is written, only its `sid` and
`jti`. Passwords and push addresses stand for themselves: they are good for nothing but this run.
"""

import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from pathlib import Path
from threading import Lock
from typing import Any


class Outcome(StrEnum):
    ACCEPTED = "accepted"  # a read, a refresh or a check of a push: yes
    REFUSED = "refused"  # the token, the password or the push is refused: nothing has changed
    DONE = "done"  # an act was carried out
    UNKNOWN = "unknown"  # the connection broke, or the process was killed: nobody knows
    UNAVAILABLE = "unavailable"  # 503: the server says that it is not known
    ERROR = "error"  # any other answer

    @property
    def is_open(self) -> bool:
        """Whether it is unknown if an act with this outcome was carried out."""
        return self in (Outcome.UNKNOWN, Outcome.UNAVAILABLE, Outcome.ERROR)


class Ends(StrEnum):
    """The sessions that a call ends, if it is carried out."""

    NOTHING = ""
    THIS = "this"  # `session`
    TARGET = "target"  # `target`
    ADDRESS = "address"  # `session`, and the user's other sessions on `device_token`
    OTHERS = "others"  # all sessions of `user` except `session`
    USER = "user"  # all sessions of `user`
    EVERYONE = "everyone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of one client.

    `ended` is None if no answer came. `session` is the session whose token was sent; `opened` is the one that the
    answer opened. An order of staff is about `target` or about `user`.
    """

    op: str
    began: int
    ended: int | None
    outcome: Outcome
    client: int = 0
    status: int | None = None  # of HTTP, or the exit code of a command
    dialect: str = ""
    ends: Ends = Ends.NOTHING
    session: str | None = None
    opened: str | None = None
    target: str | None = None
    user: str | None = None
    token: str | None = None  # the `jti` of the refresh token, or the password, that was sent
    brought: str | None = None  # the one that replaces it
    device_token: str | None = None
    request: str = ""  # X-Request-ID
    server: str = ""
    worker: int | None = None  # the process that answered, if it is known
    is_proper: bool = True  # whether an answer has the envelope of its dialect, and a 503 also Retry-After
    note: str = ""

    def __str__(self) -> str:
        who = f"client {self.client} {self.op}"
        about = [f"session {self.session}"] if self.session else []
        about += [f"opened {self.opened}"] if self.opened else []
        about += [f"ended {self.target}"] if self.target else []
        about += [f"user {self.user}"] if self.user else []
        about += [f"address {self.device_token!r}"] if self.device_token else []
        when = f"{_seconds(self.began)}-{'?' if self.ended is None else _seconds(self.ended)} s"
        status = "" if self.status is None else f" {self.status}"
        where = f" by {self.server}" + (f"/{self.worker}" if self.worker else "") if self.server else ""
        return f"[{who} {', '.join(about)} at {when}: {self.outcome}{status}{where} {self.request[:8]}]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Disturbance:
    """What the nemesis did, from the beginning until everything that it stopped is there again."""

    act: str
    # "database", "connections" (to the database), "process", "network", "clock", "order", or "machine": it was too busy
    disturbs: str
    began: int
    ended: int
    target: str = ""  # a server or a process
    # For an outage: the slowest probe of `tests.history.pulse` after the database's return.
    slowest_probe: int = 0  # ns

    def __str__(self) -> str:
        return f"[nemesis: {self.act} {self.target} at {_seconds(self.began)}-{_seconds(self.ended)} s]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """What one process used at one moment: threads, open files (``connections``), and memory in bytes.

    The database has one measure: its connections.
    """

    at: int
    process: str
    pid: int = 0
    threads: int = 0
    connections: int = 0
    memory: int = 0  # bytes


_KINDS: dict[str, type[Any]] = {"call": Call, "nemesis": Disturbance, "measure": Measure}


@dataclass
class History:
    calls: list[Call] = field(default_factory=list)
    disturbances: list[Disturbance] = field(default_factory=list)
    measures: list[Measure] = field(default_factory=list)

    def add(self, entry: Call | Disturbance | Measure) -> None:
        if isinstance(entry, Call):
            self.calls.append(entry)
        elif isinstance(entry, Disturbance):
            self.disturbances.append(entry)
        else:
            self.measures.append(entry)

    def __iter__(self) -> Iterator[Call | Disturbance | Measure]:
        yield from self.calls
        yield from self.disturbances
        yield from self.measures


class Recorder:
    """Takes the calls of all threads, and writes each of them at once: a crash of the test loses none."""

    def __init__(self, path: Path) -> None:
        self.history = History()
        self._file = path.open("w")
        self._lock = Lock()

    def add(self, entry: Call | Disturbance | Measure) -> None:
        line = line_of(entry)
        with self._lock:
            self.history.add(entry)
            self._file.write(line + "\n")

    def close(self) -> None:
        with self._lock:
            self._file.close()


def now() -> int:
    return time.monotonic_ns()


def line_of(entry: Call | Disturbance | Measure) -> str:
    """Write an entry as JSON. Fields without a value are left out, except for those that each call has."""
    kind = next(kind for kind, made in _KINDS.items() if isinstance(entry, made))
    facts = {name: value for name, value in asdict(entry).items() if value not in (None, "") or name == "ended"}
    return json.dumps({"kind": kind, **facts})


def read(lines: Iterable[str]) -> History:
    """Read a history. Fields that this version does not know are left out."""
    history = History()
    for line in lines:
        facts = json.loads(line)
        made = _KINDS[facts.pop("kind")]
        known = {each.name for each in fields(made)}
        facts = {name: value for name, value in facts.items() if name in known}
        for name, kind in (("outcome", Outcome), ("ends", Ends)):
            if name in facts:
                facts[name] = kind(facts[name])
        history.add(made(**facts))
    return history


def _seconds(at: int) -> str:
    return f"{at / 1e9:.3f}"
