"""What is done in turns by all who can do it, and how often."""

from dataclasses import dataclass, replace

from bench.load import CONNECTIONS, Request


@dataclass(frozen=True)
class Workload:
    name: str
    title: str
    requests: int  # counted ones, in each round
    sessions: int | None = None  # used again and again; None: each request spends a login of its own
    connections: int = CONNECTIONS

    @property
    def warm_up(self) -> int:
        """Requests before those that count: each session once, or a tenth."""
        return self.sessions or max(self.requests // 10, 32)

    def logins(self, rounds: int) -> int:
        """How many are needed."""
        return self.sessions or rounds * (self.warm_up + self.requests)

    def of_round(self, calls: list[Request], number: int) -> tuple[list[Request], list[Request]]:
        """The requests to warm up with, and those to count: of the same sessions, or of others in each round."""
        if self.sessions:
            return calls, [calls[turn % len(calls)] for turn in range(self.requests)]
        start = number * (self.warm_up + self.requests)
        middle = start + self.warm_up
        return calls[start:middle], calls[middle : middle + self.requests]


READ = Workload("read", "Authenticated read", 4000, sessions=256)
WORKLOADS = (
    READ,
    Workload("logout", "Logout", 1000),
    Workload("refresh", "Refresh", 1000),
    # ZapAuth counts the attempts from one address in one row: more log-ins at once would wait for each other.
    Workload("login", "Log-in, beside the hash of its password", 1000, connections=2),
)


def quick(workload: Workload) -> Workload:
    """A tenth of it: to try the bench, not to measure."""
    return replace(workload, requests=workload.requests // 10, sessions=workload.sessions and 64)
