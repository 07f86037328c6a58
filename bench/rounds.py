"""Measure in rounds, each subject in turn (A B C A B C), so that a change on the machine affects all of them."""

import json
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from bench.database import Database
from bench.load import Client, client
from bench.logins import Login
from bench.measure import Part, measure_part
from bench.projects import Project
from bench.serving import Server, run_python
from bench.subjects import SUBJECTS
from bench.workloads import Workload


@dataclass
class Bench:
    """The database, the client and the options that all measurements share."""

    database: Database
    client: Client
    rounds: int
    is_quick: bool


@contextmanager
def bench_on(database: Database, *, rounds: int, is_quick: bool) -> Iterator[Bench]:
    with client() as lean:
        yield Bench(database, lean, rounds, is_quick)


def mint(bench: Bench, project: Project, module: str, count: int) -> list[Login]:
    printed = run_python("-m", "bench.logins", module, str(count), given=project.environment(bench.database))
    return [json.loads(line) for line in printed.splitlines()]


def measure_workloads(
    bench: Bench, workloads: list[Workload], threads: dict[str, int]
) -> dict[str, dict[str, list[Part]]]:
    """Return the parts by workload, then by subject, one for each round. Args: threads: of a worker, by database."""
    wanted = [subject for subject in SUBJECTS if any(workload.name in subject.calls for workload in workloads)]
    projects = list(dict.fromkeys(subject.project for subject in wanted))  # each once, in their order
    for name in {project.database for project in projects}:
        bench.database.drop(name)  # a kept data folder may contain the databases of an earlier run
    servers = {}
    with ExitStack() as stack:
        for project in projects:
            say(f"starting {project.name}")
            project.migrate(bench.database)
            servers[project] = stack.enter_context(project.serve(bench.database, threads[project.database]))
        return {workload.name: _in_turns(bench, workload, servers) for workload in workloads}


def _in_turns(bench: Bench, workload: Workload, servers: dict[Project, Server]) -> dict[str, list[Part]]:
    able = [subject for subject in SUBJECTS if workload.name in subject.calls]
    say(f"{workload.title}: making logins")
    logins = {each.name: mint(bench, each.project, each.mint, workload.logins(bench.rounds)) for each in able}
    for project in {each.project for each in able}:
        bench.database.tidy(project.database)
    parts: dict[str, list[Part]] = defaultdict(list)
    for number in range(bench.rounds):
        for subject in able:
            calls = [subject.calls[workload.name](login) for login in logins[subject.name]]
            warm_up, counted = workload.of_round(calls, number)
            part = measure_part(
                bench.client,
                counted,
                warm_up=warm_up,
                server=servers[subject.project],
                database=bench.database,
                connections=workload.connections,
            )
            parts[subject.name].append(part)
            if workload.name == "logout" and subject.ends_access:
                # Check that the logouts worked: each worker must refuse each of these tokens.
                reads = [replace(subject.calls["read"](login), status=401) for login in logins[subject.name]]
                bench.client.send(servers[subject.project].port, workload.of_round(reads, number)[1])
            say(f"{workload.title} {number + 1}/{bench.rounds}  {subject.name:28} {part.cpu_ms:8.3f} ms of CPU")
    return dict(parts)


def say(text: str) -> None:
    """Print progress to standard error. Only the tables go to standard output."""
    print(text, file=sys.stderr, flush=True)
