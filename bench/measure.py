"""One measured part: send requests to a server, and note times and costs."""

import statistics
from dataclasses import dataclass

from bench.database import Database
from bench.load import CONNECTIONS, Client, Request
from bench.processes import cpu_seconds, peak_memory_mb
from bench.serving import Server


@dataclass(frozen=True)
class Part:
    """The figures of one subject in one round. CPU and times are in milliseconds for one request."""

    requests: int
    app_ms: float
    database_ms: float
    per_second: float
    p50_ms: float
    p99_ms: float
    peak_mb: float  # memory of the largest worker: its maximum since the start

    @property
    def cpu_ms(self) -> float:
        """CPU of server and database together."""
        return self.app_ms + self.database_ms


def measure_part(
    client: Client,
    requests: list[Request],
    *,
    warm_up: list[Request],
    server: Server,
    database: Database,
    connections: int = CONNECTIONS,
) -> Part:
    """Send ``warm_up``, write a checkpoint, then send ``requests`` and measure."""
    client.send(server.port, warm_up, connections)
    database.wait_for_sweeps()
    database.write_out()
    app, postgres = cpu_seconds(server.pid), cpu_seconds(database.pid)
    replies = client.send(server.port, requests, connections)
    app, postgres = cpu_seconds(server.pid) - app, cpu_seconds(database.pid) - postgres
    count = len(requests)
    return Part(
        requests=count,
        app_ms=1000 * app / count,
        database_ms=1000 * postgres / count,
        per_second=count / replies.seconds,
        p50_ms=quantile_ms(replies.latencies, 50),
        p99_ms=quantile_ms(replies.latencies, 99),
        peak_mb=peak_memory_mb(server.pid),
    )


def quantile_ms(seconds: list[float], percent: int) -> float:
    return 1000 * statistics.quantiles(seconds, n=100, method="inclusive")[percent - 1]
