"""How soon `make run` answers when it has run before, and what a worker's memory does over many requests."""

import time

from bench.processes import memory_mb
from bench.projects import DEFAULT
from bench.rounds import Bench, mint, say
from bench.serving import ZAPAUTH, environment, serving
from bench.subjects import BUDDY, ZAP

EVERY_THREAD = 128  # connections at once: more than both workers have threads


def measure_start(bench: Bench) -> list[float]:
    """Seconds from the start to the first answer, in each round, on a data folder where it has run before."""
    # As `make run`: without DATABASE_URL, so its own PostgreSQL starts with it.
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
    """MB of the larger worker by requests answered: reads in both dialects, in tenths of ``requests``."""
    DEFAULT.migrate(bench.database)
    logins = {subject.name: mint(bench, subject.project, subject.mint, 128) for subject in (ZAP, BUDDY)}
    calls = [subject.calls["read"](login) for subject in (ZAP, BUDDY) for login in logins[subject.name]]
    tenth = requests // 10
    found = {}
    with DEFAULT.serve(bench.database) as server:
        # A thread that serves for the first time makes what is its own, once; left alone, some do so late.
        bench.client.send(server.port, calls * 20, connections=EVERY_THREAD)
        for answered in range(tenth, requests + 1, tenth):
            bench.client.send(server.port, [calls[number % len(calls)] for number in range(tenth)])
            found[answered] = memory_mb(server.pid)
            say(f"Memory after {answered:,} requests  {found[answered]:.1f} MB")
    return found
