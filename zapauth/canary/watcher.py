"""A thread that repeats a session's requests on the connection to one worker, and notes which are accepted."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from http.client import HTTPException

from zapauth.canary.dialects import REFRESH, Dialect, Probe
from zapauth.canary.lines import TIMEOUT, Line, Reply

_QUICK, _SLOW = 0.004, 0.05  # seconds between two requests
ACCEPTED, REFUSED = 200, 401


@dataclass(frozen=True)
class Seen:
    """A request, when it began, and the status of its answer. 0: there was no answer."""

    kind: str
    line: str
    began: float
    status: int
    problem: str = ""

    def __str__(self) -> str:
        return f"{self.kind} at {self.line}: {self.problem or self.status}"


def ask(line: Line, probe: Probe) -> tuple[Seen, Reply | None]:
    """Send one request, and note its outcome. It does not raise."""
    began = time.monotonic()
    try:
        reply = line.ask(probe.method, probe.path, token=probe.token, body=probe.body)
    except (OSError, HTTPException) as error:
        return Seen(probe.kind, line.name, began, 0, str(error) or type(error).__name__), None
    return Seen(probe.kind, line.name, reply.began, reply.status), reply


class Watcher(threading.Thread):
    """Repeats ``probes`` on ``line`` until `stop`. `seen` has the outcomes."""

    def __init__(self, line: Line, probes: Sequence[Probe], dialect: Dialect) -> None:
        super().__init__(name="canary", daemon=True)
        self.seen: list[Seen] = []
        self._line, self._probes, self._dialect = line, list(probes), dialect
        self._turns = 0
        self._turned = threading.Event()
        self._stopped = threading.Event()
        self._pause = _QUICK

    def run(self) -> None:
        refreshed: list[Probe] = []  # the newest token that a refresh has handed out
        while not self._stopped.is_set():
            for probe in [*self._probes, *refreshed]:
                seen, reply = ask(self._line, probe)
                self.seen.append(seen)
                if probe.kind == REFRESH and reply is not None and reply.status == ACCEPTED:
                    refreshed = [self._dialect.read(reply.json["data"]["token"], "read after a refresh")]
                self._stopped.wait(self._pause)
            self._turned.set()

    def wait_for_a_turn(self) -> None:
        """Return when each request was sent once, or after a time-out."""
        self._turned.wait(TIMEOUT)

    def watch_also(self, probe: Probe) -> None:
        self._probes = [*self._probes, probe]

    def slow_down(self) -> None:
        self._pause = _SLOW

    def stop(self) -> None:
        self._stopped.set()
        self.join(2 * TIMEOUT)
