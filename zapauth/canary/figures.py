"""The canary's figures for Prometheus, in the command and in a server."""

from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Histogram

from zapauth.canary import LIMITS
from zapauth.canary.round import Result

OK, BROKEN, UNKNOWN = "ok", "broken", "unknown"


@dataclass(frozen=True)
class Figures:
    """Figures that count the results of rounds. They are in ``registry``. Only the command counts ``rounds``."""

    registry: CollectorRegistry
    seconds: Histogram
    rounds: Counter | None = None

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
        for outcome in (OK, BROKEN, UNKNOWN):  # from zero: Prometheus sees no increase when a figure first appears
            rounds.labels(outcome)
        return cls(registry, seconds, rounds)

    @classmethod
    def of_server(cls) -> "Figures":
        """Return the figures of this server. Their module opens files, so it is imported late."""
        from zapauth.metrics import figures

        return cls(figures.REGISTRY, figures.REVOKE_TO_REFUSAL)

    def add(self, result: Result) -> None:
        for each in result.measured:
            self.seconds.observe(each.seconds)
        if self.rounds is not None:
            self.rounds.labels(BROKEN if result.is_broken else UNKNOWN if result.problem else OK).inc()
