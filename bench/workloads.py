"""The workloads: the requests that all subjects get in turn, and their numbers."""

from dataclasses import dataclass, replace

from bench.load import CONNECTIONS, Request


@dataclass(frozen=True)
class Workload:
    name: str
    title: str
    requests: int  # measured requests in each round
    sessions: int | None = None  # sessions that are used again and again; None: each request uses a new login
    connections: int = CONNECTIONS

    @property
    def warm_up(self) -> int:
        """Number of requests before the measured ones: one for each session, or a tenth of the measured ones."""
        return self.sessions or max(self.requests // 10, 32)

    def logins(self, rounds: int) -> int:
        """Number of logins that the workload needs."""
        return self.sessions or rounds * (self.warm_up + self.requests)

    def of_round(self, calls: list[Request], number: int) -> tuple[list[Request], list[Request]]:
        """The warm-up requests and the measured ones: of the same sessions, or of new ones in each round."""
        if self.sessions:
            return calls, [calls[turn % len(calls)] for turn in range(self.requests)]
        start = number * (self.warm_up + self.requests)
        middle = start + self.warm_up
        return calls[start:middle], calls[middle : middle + self.requests]


READ = Workload("read", "Authenticated read", 4000, sessions=256)
WORKLOADS = (
    READ,
    Workload("gate", "The gate and the introspection, beside a read", 4000, sessions=256),
    Workload("logout", "Logout", 1000),
    Workload("refresh", "Refresh", 1000),
    # ZapAuth counts the attempts from one address in one row, so more log-ins at once would wait for each other.
    Workload("login", "Log-in, beside the hash of its password", 1000, connections=2),
)


def quick(workload: Workload) -> Workload:
    """A tenth of the workload, to try the bench."""
    return replace(workload, requests=workload.requests // 10, sessions=workload.sessions and 64)
