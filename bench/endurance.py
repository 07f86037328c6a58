"""Measure the start of `make run` on existing data, and the memory of a worker over many requests."""

import time

from bench.processes import memory_mb
from bench.projects import DEFAULT
from bench.rounds import Bench, mint, say
from bench.serving import ZAPAUTH, environment, serving
from bench.subjects import BUDDY, ZAP

EVERY_THREAD = 128  # connections at once: more than the threads of both workers


def measure_start(bench: Bench) -> list[float]:
    """Seconds from the start to the first answer, in each round. The data folder already contains an installation."""
    # Like `make run`: without DATABASE_URL, so the embedded PostgreSQL starts, too.
    given = environment(DATA_DIR=str(bench.database.data / "start"))
    with serving([*ZAPAUTH, "--demo"], given):
        say("started once")
    seconds = []
    for number in range(bench.rounds):
        began = time.monotonic()
        with serving([*ZAPAUTH, "--demo"], given):
            seconds.append(time.monotonic() - began)
        say(f"Start {number + 1}/{bench.rounds}  {seconds[-1]:.2f} s")
    return seconds


def measure_memory(bench: Bench, requests: int) -> dict[int, float]:
    """Memory of the larger worker in MB, by number of answered requests. There is a figure for each tenth of them."""
    DEFAULT.migrate(bench.database)
    logins = {subject.name: mint(bench, subject.project, subject.mint, 128) for subject in (ZAP, BUDDY)}
    calls = [subject.calls["read"](login) for subject in (ZAP, BUDDY) for login in logins[subject.name]]
    tenth = requests // 10
    found = {}
    with DEFAULT.serve(bench.database) as server:
        # A thread allocates its own memory at its first request. So use every thread once before measuring.
        bench.client.send(server.port, calls * 20, connections=EVERY_THREAD)
        for answered in range(tenth, requests + 1, tenth):
            bench.client.send(server.port, [calls[number % len(calls)] for number in range(tenth)])
            found[answered] = memory_mb(server.pid)
            say(f"Memory after {answered:,} requests  {found[answered]:.1f} MB")
    return found
