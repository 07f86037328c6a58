"""The text that the canary prints: a line for each round, and a summary at the end."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from zapauth.canary import BOUND, LIMITS
from zapauth.canary.round import Measured, Result

_WIDTH = 40


@dataclass
class Summary:
    """Counts rounds, and keeps what they have measured."""

    rounds: int = 0
    unknown: int = 0
    broken: int = 0
    seconds: list[float] = field(default_factory=list)
    worst: Measured | None = None

    def add(self, result: Result) -> None:
        self.rounds += 1
        self.broken += result.is_broken
        self.unknown += bool(result.problem)
        for each in result.measured:
            self.seconds.append(each.seconds)
            if self.worst is None or each.seconds > self.worst.seconds:
                self.worst = each

    def lines(self) -> list[str]:
        """Return the lines of the summary, for people."""
        told = [
            f"{_many(self.rounds, 'round')}: {self._verdict()}",
            f"  broken: {self.broken}",
            f"  could not be measured: {self.unknown}",
        ]
        if self.worst is None:
            return told
        told.append(f"  worst: {_milliseconds(self.worst.seconds)}, {self.worst.dialect}, {self.worst.last}")
        return [*told, "From the answer to a logout to the last acceptance of its token:", *_bars(self.seconds)]

    def _verdict(self) -> str:
        if self.broken:
            return f"the bound of {BOUND:g} s was BROKEN"
        return f"the bound of {BOUND:g} s held" if self.worst else "nothing could be measured"


def line_of(result: Result) -> str:
    """Return one line with the result of a round."""
    found = [f"{each.dialect} {_milliseconds(each.seconds)}" for each in result.measured]
    reach = f"{_many(result.workers, 'worker')} of {_many(result.servers, 'server')}"
    requests = sum(each.requests for each in result.measured)
    if result.is_broken:
        late = [
            f"{each.dialect} {_milliseconds(each.seconds)}, {each.last}" for each in result.measured if each.is_broken
        ]
        return f"BROKEN   accepted after the answer to the logout: {'; '.join(late)}"
    if result.problem:
        return f"unknown  {'; '.join([*found, result.problem])}"
    return f"ok       {', '.join(found)}; {reach}, {requests} requests"


def _bars(seconds: Sequence[float]) -> list[str]:
    edges = [float("-inf"), *LIMITS, float("inf")]
    counts = [(low, high, sum(low < each <= high for each in seconds)) for low, high in pairwise(edges)]
    most = max(count for _, _, count in counts)
    return [
        f"  {_range(*edge):>22}  {count:>6}  {'#' * -(-_WIDTH * count // most)}" for *edge, count in counts if count
    ]


def _range(low: float, high: float) -> str:
    if low == float("-inf"):
        return f"up to {_milliseconds(high)}"
    return f"over {_milliseconds(low)}" if high == float("inf") else f"{low * 1000:g} to {_milliseconds(high)}"


def _milliseconds(seconds: float) -> str:
    return f"{round(seconds * 1000, 1):g} ms"


def _many(count: int, thing: str) -> str:
    return f"{count} {thing}{'' if count == 1 else 's'}"
