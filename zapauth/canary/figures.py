"""The canary's figures for Prometheus. The command and the server declare and count them in one way."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from zapauth.canary import LIMITS

if TYPE_CHECKING:  # each worker loads this module, and only the main process has a canary
    from zapauth.canary.round import Result

OK, BROKEN, UNKNOWN = "ok", "broken", "unknown"


@dataclass(frozen=True)
class Figures:
    """Figures that count the results of rounds."""

    seconds: Histogram
    rounds: Counter

    @classmethod
    def declare(cls, registry: CollectorRegistry) -> "Figures":
        """Declare the figures in ``registry``."""
        seconds = Histogram(
            "zapauth_revoke_to_refusal_seconds",
            "From the answer to a logout to the last acceptance of its token.",
            buckets=LIMITS,
            registry=registry,
        )
        rounds = Counter("zapauth_canary_rounds", "Rounds of the canary.", ["outcome"], registry=registry)
        for outcome in (OK, BROKEN, UNKNOWN):  # from zero: Prometheus sees no increase when a figure first appears
            rounds.labels(outcome)
        return cls(seconds, rounds)

    def add(self, result: "Result") -> None:
        for each in result.measured:
            self.seconds.observe(each.seconds)
        outcome = BROKEN if result.is_broken else UNKNOWN if result.problem else OK
        self.rounds.labels(outcome).inc()
        if outcome != UNKNOWN:
            AGE.begin()


class Age(Collector):
    """How long ago this process's canary last measured something, and how often it should.

    The age grows also if the canary's thread has died. It is a difference of one clock, so a wrong clock does no harm.
    """

    def __init__(self) -> None:
        self.every = 0.0
        self._since = time.monotonic()

    def begin(self, every: float | None = None) -> None:
        """Count from now on. Args: every: seconds between two rounds. 0: there are none."""
        self.every = self.every if every is None else every
        self._since = time.monotonic()

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily(
            "zapauth_canary_every_seconds", "The time between two rounds of the canary. 0: it is off.", self.every
        )
        if self.every:
            age = time.monotonic() - self._since
            yield GaugeMetricFamily(
                "zapauth_canary_age_seconds", "The time since the canary last measured a logout.", age
            )


# The age of this process's canary. A process has one canary at most.
AGE = Age()
