"""Find the number of threads that suits each project best, by short reads before the other measurements."""

import statistics
from collections import defaultdict
from contextlib import ExitStack

from bench.measure import measure_part
from bench.rounds import Bench, mint, say
from bench.subjects import SUBJECTS, Subject
from bench.workloads import Workload

THREADS = (1, 2, 4, 8, 32)  # threads of each worker
FEW = (1, 32)  # with --quick
_READ = Workload("read", "Calibration", 1000, sessions=256)

# CPU milliseconds of a read: by subject's name, then by number of threads, one figure for each round.
Calibration = dict[str, dict[int, list[float]]]


def calibrate(bench: Bench, workloads: list[Workload]) -> Calibration:
    """Measure reads with each number of threads, in turns. One subject stands for all subjects of its database."""
    names = {workload.name for workload in workloads}
    wanted = {subject.project.database for subject in SUBJECTS if names & subject.calls.keys()}
    found: Calibration = {}
    for subject in SUBJECTS:
        if "read" in subject.calls and subject.project.database in wanted:
            wanted.remove(subject.project.database)
            found[subject.name] = _calibrate(bench, subject)
    return found


def best_threads(calibration: Calibration) -> dict[str, int]:
    """The number of threads with the least CPU for each database. All subjects of the database get this number."""
    databases = {subject.name: subject.project.database for subject in SUBJECTS}
    return {
        databases[name]: min(by_threads, key=lambda threads: statistics.median(by_threads[threads]))
        for name, by_threads in calibration.items()
    }


def _calibrate(bench: Bench, subject: Subject) -> dict[int, list[float]]:
    bench.database.drop(subject.project.database)  # the data folder may contain the database of an earlier run
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
