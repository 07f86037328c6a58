"""How many threads suit each project best. Short, by reads, before anything else is measured."""

import statistics
from collections import defaultdict
from contextlib import ExitStack

from bench.measure import measure_part
from bench.rounds import Bench, mint, say
from bench.subjects import SUBJECTS, Subject
from bench.workloads import Workload

THREADS = (1, 2, 4, 8, 32)  # of each worker
FEW = (1, 32)  # to try the bench
_READ = Workload("read", "Calibration", 1000, sessions=256)

# CPU milliseconds of a read, one figure for each round: by subject's name, by threads.
Calibration = dict[str, dict[int, list[float]]]


def calibrate(bench: Bench, workloads: list[Workload]) -> Calibration:
    """Measure with each number of threads, in turns: one subject of each database that the workloads need."""
    names = {workload.name for workload in workloads}
    wanted = {subject.project.database for subject in SUBJECTS if names & subject.calls.keys()}
    found: Calibration = {}
    for subject in SUBJECTS:
        if "read" in subject.calls and subject.project.database in wanted:
            wanted.remove(subject.project.database)
            found[subject.name] = _calibrate(bench, subject)
    return found


def best_threads(calibration: Calibration) -> dict[str, int]:
    """The number of threads with the least CPU by database: its other subjects get the same."""
    databases = {subject.name: subject.project.database for subject in SUBJECTS}
    return {
        databases[name]: min(by_threads, key=lambda threads: statistics.median(by_threads[threads]))
        for name, by_threads in calibration.items()
    }


def _calibrate(bench: Bench, subject: Subject) -> dict[int, list[float]]:
    bench.database.drop(subject.project.database)  # a kept data folder has that of the run before
    subject.project.migrate(bench.database)
    assert _READ.sessions is not None
    calls = [subject.calls["read"](each) for each in mint(bench, subject.project, subject.mint, _READ.sessions)]
    bench.database.tidy(subject.project.database)
    found = defaultdict(list)
    with ExitStack() as stack:
        counts = FEW if bench.is_quick else THREADS
        servers = {count: stack.enter_context(subject.project.serve(bench.database, count)) for count in counts}
        for number in range(bench.rounds):
            warm_up, counted = _READ.of_round(calls, number)
            for threads, server in servers.items():
                part = measure_part(bench.client, counted, warm_up=warm_up, server=server, database=bench.database)
                found[threads].append(part.cpu_ms)
    medians = ", ".join(f"{threads}: {statistics.median(values):.3f}" for threads, values in found.items())
    say(f"Calibration of {subject.name}: CPU ms of a read by threads of a worker: {medians}")
    return dict(found)
