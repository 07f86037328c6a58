"""Log everybody out of a large database: what it costs, and how it affects users who stay logged in.

1. A plain `UPDATE` of all live rows, and `manage.py logout --everyone` without other load, in turns. Each runs on a
   copy of the same database.
2. The same command while a server answers requests. Probes find out when each worker accepted the last token. Users
   who have logged in again measure how long a read takes, before and during the run.
"""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from bench.paced import PHONES, Reads, read_paced
from bench.projects import DEFAULT
from bench.results import Everybody
from bench.rounds import Bench, mint, say
from bench.sizes import DEMO_MINT, TOKENS, demo_database
from bench.subjects import ZAP
from bench.sweep import Sweep, log_everybody_out, update_plainly

READS_PER_SECOND = 50
PROBES_PER_SECOND = 100
SECONDS_BEFORE = 20
_LONGEST_LAUNCH = 120


def measure_everybody(bench: Bench, sessions: int) -> Everybody:
    template = demo_database(bench, sessions)
    updates, sweeps = [], []
    for number in range(bench.rounds):
        with bench.database.copy(template, "plain") as name:
            updates.append(update_plainly(bench.database, name))
        with bench.database.copy(template, "swept") as name:
            sweeps.append(log_everybody_out(bench.database, name))
        assert (sweeps[-1].ended, sweeps[-1].still_open) == (sessions, 0)
        took = f"UPDATE {updates[-1].seconds:.1f} s, sweep {sweeps[-1].seconds:.1f} s"
        say(f"Everybody out of {sessions:,} {number + 1}/{bench.rounds}  {took}")
    before, probes, meanwhile, served = _measure_served(bench, template)
    return Everybody(
        sessions=sessions,
        update_s=[update.seconds for update in updates],
        update_cpu_s=[update.cpu_seconds for update in updates],
        sweep_s=[sweep.seconds for sweep in sweeps],
        sweep_cpu_s=[sweep.cpu_seconds for sweep in sweeps],
        memory_mb=max(sweep.memory_mb for sweep in [*sweeps, served]),
        served_sweep_s=served.seconds,
        from_launch_s=served.began - served.launched,
        last_accepted_ms=[1000 * (at - served.began) for at in probes.last_accepted().values()],
        probes=len(probes.sent),
        p50_ms={"before": before.quantile_ms(50), "meanwhile": meanwhile.quantile_ms(50)},
        p99_ms={"before": before.quantile_ms(99), "meanwhile": meanwhile.quantile_ms(99)},
    )


def _measure_served(bench: Bench, template: str) -> tuple[Reads, Reads, Reads, Sweep]:
    database = bench.database
    with database.copy(template, "served") as name:
        project = replace(DEFAULT, database=name)
        tokens = [login["access"] for login in mint(bench, project, DEMO_MINT, TOKENS)]
        phones = [login["access"] for login in mint(bench, project, ZAP.mint, PHONES)]
        with project.serve(database) as server, ThreadPoolExecutor(3) as pool:
            database.wait_for_sweeps()
            stop = threading.Event()
            threading.Timer(SECONDS_BEFORE, stop.set).start()
            before = read_paced(server, phones, per_second=READS_PER_SECOND, stop=stop)

            refused = threading.Event()
            probing = pool.submit(read_paced, server, tokens, per_second=PROBES_PER_SECOND, stop=refused)
            out = pool.submit(log_everybody_out, database, name)
            try:
                _wait_for_order(bench, name)
                # Everybody is logged out now, so these phones log in again. Meanwhile the probes see refusals.
                phones = [login["access"] for login in mint(bench, project, ZAP.mint, PHONES)]
            finally:
                refused.set()
            probes = probing.result()
            done = threading.Event()
            out.add_done_callback(lambda _: done.set())
            meanwhile = read_paced(server, phones, per_second=READS_PER_SECOND, stop=done)
            sweep = out.result()
    assert before.statuses == meanwhile.statuses == {200}, "a logged-in phone was refused"
    assert len(probes.workers) == 2, "the probes reached one worker only"
    assert sweep.still_open == PHONES, "the run ended log-ins that came after the order"
    return before, probes, meanwhile, sweep


def _wait_for_order(bench: Bench, name: str) -> None:
    deadline = time.monotonic() + _LONGEST_LAUNCH
    with bench.database.connect(name) as connection:
        while connection.execute("SELECT 1 FROM user_sessions_bulkrun").fetchone() is None:
            if time.monotonic() > deadline:
                raise RuntimeError("the command gave no order in time")
            time.sleep(0.05)
