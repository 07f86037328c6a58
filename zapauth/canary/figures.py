"""The canary's figures for Prometheus."""

from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Histogram

from zapauth.canary.report import LIMITS
from zapauth.canary.round import Result


@dataclass(frozen=True)
class Figures:
    """Figures that count the results of rounds. ``registry`` has them."""

    registry: CollectorRegistry
    seconds: Histogram
    rounds: Counter

    @classmethod
    def apart(cls) -> "Figures":
        """Make figures of this process alone, for the command."""
        registry = CollectorRegistry()
        seconds = Histogram(
            "zapauth_revoke_to_refusal_seconds",
            "From the answer to a logout to the last acceptance of its token.",
            buckets=LIMITS,
            registry=registry,
        )
        rounds = Counter("zapauth_canary_rounds", "Rounds of the canary.", ["outcome"], registry=registry)
        return cls(registry, seconds, rounds)

    def add(self, result: Result) -> None:
        for each in result.measured:
            self.seconds.observe(each.seconds)
        outcome = "broken" if result.is_broken else "unknown" if result.problem else "ok"
        self.rounds.labels(outcome).inc()
