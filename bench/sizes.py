"""Compare the cost of a read with a thousand and with a million sessions in the table."""

from contextlib import ExitStack
from dataclasses import replace

from bench.measure import Part, measure_part
from bench.projects import DEFAULT, Project
from bench.rounds import Bench, mint, say
from bench.serving import run_python
from bench.subjects import ZAP
from bench.workloads import Workload

TOKENS = 256
DEMO_MINT = "bench.zapauth_logins:mint_demo"


def demo_database(bench: Bench, sessions: int) -> str:
    """Make a database with that many live sessions and a fifth as many users. It is kept as long as the data folder."""
    project = replace(DEFAULT, database=f"sessions_{sessions}")
    if not bench.database.exists(project.database):
        say(f"making {sessions:,} sessions")
        # It gets its final name when it is complete, so an interrupted bench makes it anew.
        draft = replace(project, database="draft")
        bench.database.drop(draft.database)
        draft.migrate(bench.database)
        numbers = ("--users", str(sessions // 5), "--sessions", str(sessions), "--ended", "0")
        run_python("manage.py", "demo", *numbers, given=draft.environment(bench.database))
        bench.database.tidy(draft.database)
        bench.database.rename(draft.database, project.database)
    else:
        project.migrate(bench.database)
    return project.database


def measure_sizes(bench: Bench, sizes: tuple[int, ...], workload: Workload) -> dict[int, list[Part]]:
    """Parts of ZAP's read by number of live sessions, one for each round."""
    found: dict[int, list[Part]] = {size: [] for size in sizes}
    with ExitStack() as stack:
        # Use copies, because a read writes when a session was last seen.
        projects: dict[int, Project] = {}
        for size in sizes:
            copy = bench.database.copy(demo_database(bench, size), f"read_{size}")
            projects[size] = replace(DEFAULT, database=stack.enter_context(copy))
        logins = {size: mint(bench, project, DEMO_MINT, TOKENS) for size, project in projects.items()}
        servers = {size: stack.enter_context(project.serve(bench.database)) for size, project in projects.items()}
        for number in range(bench.rounds):
            for size in sizes:
                calls = [ZAP.calls["read"](login) for login in logins[size]]
                warm_up, counted = workload.of_round(calls, number)
                part = measure_part(
                    bench.client, counted, warm_up=warm_up, server=servers[size], database=bench.database
                )
                found[size].append(part)
                say(f"Read at {size:,} sessions {number + 1}/{bench.rounds}  {part.cpu_ms:8.3f} ms of CPU")
    return found
