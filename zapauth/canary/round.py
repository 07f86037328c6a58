"""One round: open a session of each dialect, end it, and see when each worker stops accepting its tokens.

A request counts at the time when it begins. So the result is below zero while the bound holds: each request that was
accepted began before the answer to the logout was there. The canary itself needs some milliseconds from this beginning
to the first byte on the wire. So it can miss a single request that is accepted a few milliseconds too late.
"""

import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from http.client import HTTPException
from uuid import UUID

from django.db import Error as DatabaseError

from sessions.upkeep.canary import CanaryHasNoApp, CanarySession, forget_canaries
from users.errors import UsersError
from zapauth.canary import BOUND
from zapauth.canary.dialects import DIALECTS, Dialect, Probe, refresh
from zapauth.canary.errors import CannotMeasure
from zapauth.canary.lines import Lines
from zapauth.canary.watcher import ACCEPTED, REFUSED, Seen, Watcher, ask

logger = logging.getLogger("zapauth.canary")

_QUICKLY, _WATCH = 0.1, 1.0  # seconds after the answer: with short pauses, and in all
_LONGEST = 30.0  # seconds: the limit of a round in which tokens are still accepted
_QUIET = 0.5  # seconds without an acceptance, after which a round may end


@dataclass(frozen=True)
class Measured:
    """A logout: the seconds from its answer to the last acceptance, and which request that was."""

    dialect: str
    seconds: float
    last: Seen
    requests: int

    @property
    def is_broken(self) -> bool:
        return self.seconds > BOUND


@dataclass
class Ended:
    """A session that a round has ended: its requests, which must be refused in the next round, too."""

    dialect: str
    answered: float
    probes: list[Probe]


@dataclass
class Result:
    """The result of a round. ``problem``: why it could not be measured, or an empty text."""

    measured: list[Measured] = field(default_factory=list)
    problem: str = ""
    workers: int = 0
    servers: int = 0

    @property
    def is_broken(self) -> bool:
        return any(each.is_broken for each in self.measured)


class Rounds:
    """The rounds of one canary, over the same connections."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._number = 0
        self._before: list[Ended] = []

    def run_one(self) -> Result:
        """Carry out a round. It raises nothing: the result says what failed."""
        result, own = Result(), list[UUID]()
        self._number += 1
        try:
            self._lines.complete()
            result.workers, result.servers = len(list(self._lines)), self._lines.servers
            result.measured += self._look_back()
            for dialect in DIALECTS:
                result.measured.append(self._measure(dialect, own))
        except (CannotMeasure, CanaryHasNoApp, UsersError) as error:
            result.problem = str(error) or type(error).__name__
        except DatabaseError as error:
            result.problem = f"the database does not answer: {str(error).strip().partition(chr(10))[0]}"
        except Exception as error:
            logger.exception("a round of the canary failed")
            result.problem = f"the canary itself failed: {type(error).__name__}"
        not_forgotten = _forget(own)  # also after a problem
        result.problem = result.problem or not_forgotten
        return result

    def close(self) -> None:
        self._lines.close()

    def _measure(self, dialect: Dialect, own: list[UUID]) -> Measured:
        """Open a session, end it, and watch. Raises: CannotMeasure."""
        session = dialect.open()
        own.append(session.id)
        probes, later = self._probes(dialect, session)
        watchers = [Watcher(line, probes, dialect) for line in self._lines]
        for watcher in watchers:
            watcher.start()
        try:
            for watcher in watchers:
                watcher.wait_for_a_turn()
            _require_accepted(watchers, len(probes))
            answered = self._log_out(dialect, session)
            for watcher in watchers:
                for probe in later:
                    watcher.watch_also(probe)
            _watch(watchers, answered)
        finally:
            for watcher in watchers:
                watcher.stop()
        self._before.append(Ended(dialect.name, answered, [*probes, *later]))
        return _judge(dialect, [each for watcher in watchers for each in watcher.seen], answered)

    def _probes(self, dialect: Dialect, session: CanarySession) -> tuple[list[Probe], list[Probe]]:
        """Return the requests to repeat from now on, and those to repeat from the logout on.

        If refresh tokens rotate, using one again would end the session. So it is used once, and its successor is tried
        after the logout.
        """
        probes = dialect.probes(session)
        if not session.refresh_token:
            return probes, []
        first = refresh(session.refresh_token)
        seen, reply = ask(next(iter(self._lines)), first)
        if reply is None or seen.status != ACCEPTED:
            raise CannotMeasure(f"a fresh token is not accepted: {seen}")
        successor = reply.json["data"].get("refreshToken")
        return (probes, [refresh(successor)]) if successor else ([*probes, first], [])

    def _log_out(self, dialect: Dialect, session: CanarySession) -> float:
        """Log out over a new connection. Returns: when the answer was there. Raises: CannotMeasure."""
        probe, line = dialect.log_out(session), self._lines.new_line(self._number)
        try:
            reply = line.ask(probe.method, probe.path, token=probe.token)
        except (OSError, HTTPException) as error:
            raise CannotMeasure(f"the logout got no answer: {str(error) or type(error).__name__}") from error
        finally:
            line.close()
        if reply.status != ACCEPTED:
            raise CannotMeasure(f"the logout was answered {reply.status}")
        return reply.ended

    def _look_back(self) -> list[Measured]:
        """Try the tokens of the round before once more on each worker. Returns: what is accepted again."""
        before, self._before = self._before, []
        found = []
        for ended in before:
            for line in self._lines:
                for probe in ended.probes:
                    seen, _ = ask(line, probe)
                    if seen.status == ACCEPTED:
                        found.append(Measured(ended.dialect, seen.began - ended.answered, seen, 1))
        return found


def _require_accepted(watchers: Iterable[Watcher], count: int) -> None:
    """Check that each worker has accepted each request before the logout. Raises: CannotMeasure."""
    for watcher in watchers:
        seen = list(watcher.seen)
        for each in seen:
            if each.status != ACCEPTED:
                raise CannotMeasure(f"a fresh token is not accepted: {each}")
        if len(seen) < count:
            raise CannotMeasure("a worker answers too slowly")


def _watch(watchers: list[Watcher], answered: float) -> None:
    """Wait while the watchers work, until nothing was accepted for a while."""
    time.sleep(max(0.0, answered + _QUICKLY - time.monotonic()))
    for watcher in watchers:
        watcher.slow_down()
    until = answered + _WATCH
    while (now := time.monotonic()) < until:
        time.sleep(min(until - now, 0.1))
        accepted = [each.began for watcher in watchers for each in list(watcher.seen) if each.status == ACCEPTED]
        until = min(max(until, max(accepted) + _QUIET), answered + _LONGEST)


def _judge(dialect: Dialect, seen: list[Seen], answered: float) -> Measured:
    """Judge a logout. Raises: CannotMeasure, if nothing was accepted too late and a request got neither 200 nor 401."""
    last = max((each for each in seen if each.status == ACCEPTED), key=lambda each: each.began)
    measured = Measured(dialect.name, last.began - answered, last, len(seen))
    if measured.is_broken:
        return measured
    for each in seen:
        if each.status not in (ACCEPTED, REFUSED):
            raise CannotMeasure(str(each))
    refused = {(each.kind, each.line) for each in seen if each.status == REFUSED and each.began > answered}
    missing = {(each.kind, each.line) for each in seen} - refused
    if missing:
        raise CannotMeasure(f"not tried after the logout: {', '.join(map(' at '.join, sorted(missing)))}")
    return measured


def _forget(own: list[UUID]) -> str:
    try:
        forget_canaries(own)
    except Exception as error:
        if not isinstance(error, DatabaseError):
            logger.exception("the canary's sessions can't be deleted")
        # The next round, or the sweep of a server, deletes them.
        return f"the canary's sessions can't be deleted: {type(error).__name__}"
    return ""
