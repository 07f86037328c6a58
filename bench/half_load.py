"""Measure how long the gate takes at half of the requests that it can answer."""

from statistics import median
from threading import Event, Timer

from bench.measure import Part
from bench.paced import read_paced
from bench.rounds import Bench, mint, say
from bench.subjects import GATE

SECONDS = 10.0  # of each round
TOKENS = 256


def measure_half_load(bench: Bench, saturated: list[Part], *, threads: int) -> list[float]:
    """Return the p99 in milliseconds, one for each round. Args: saturated: the gate's parts in its workload."""
    rate = median(part.per_second for part in saturated) / 2
    GATE.project.migrate(bench.database)
    tokens = [login["access"] for login in mint(bench, GATE.project, GATE.mint, TOKENS)]
    found = []
    with GATE.project.serve(bench.database, threads) as server:
        for number in range(bench.rounds):
            stop = Event()
            timer = Timer(SECONDS / 3 if bench.is_quick else SECONDS, stop.set)
            reads = read_paced(
                server, tokens, per_second=rate, stop=stop, path="/verify?level=user", when_connected=timer.start
            )
            if reads.statuses != {200}:
                raise RuntimeError(f"the gate answered {reads.statuses}")
            found.append(reads.quantile_ms(99))
            say(f"The gate at {rate:.0f}/s {number + 1}/{bench.rounds}  p99 {found[-1]:8.1f} ms")
    return found
