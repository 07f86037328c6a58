"""`python -m bench`, or `make bench`: measure ZapAuth beside its alternatives. docs/performance.md explains it."""

import argparse
import signal
import sys
import tempfile
from pathlib import Path

from bench.calibration import best_threads, calibrate
from bench.database import Database, running_database
from bench.endurance import measure_memory, measure_start
from bench.everybody import measure_everybody
from bench.floors import measure_drivers, measure_floors
from bench.half_load import measure_half_load
from bench.machine import machine
from bench.report import write_report
from bench.results import Results
from bench.rounds import bench_on, measure_workloads
from bench.sizes import measure_sizes
from bench.subjects import GATE
from bench.tables import tables
from bench.targets import SIZES, Verdict, verdicts
from bench.workloads import READ, WORKLOADS, quick

IN_TURNS = tuple(workload.name for workload in WORKLOADS)
NAMES = (*IN_TURNS, "drivers", "sizes", "everybody", "start", "memory")
SMALL = (1_000, 100_000)
REQUESTS = 100_000


def main(arguments: list[str] | None = None) -> int:
    options = _options(arguments)
    # SIGTERM raises KeyboardInterrupt, like Ctrl-C. So servers and PostgreSQL are stopped in both cases.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    results = Results.read(options.again) if options.again else _run(options)
    if options.json:
        results.write(options.json)
    if options.report:
        write_report(results)
    judged = [] if options.quick else verdicts(results)
    print(tables(results, judged))
    return exit_code(judged)


def _run(options: argparse.Namespace) -> Results:
    with tempfile.TemporaryDirectory(prefix="zapauth-bench-") as temporary:
        data = (options.data or Path(temporary)).resolve()
        with running_database(data, over_sockets=options.sockets) as database:
            return _measure(database, options)


def exit_code(judged: list[Verdict]) -> int:
    """Return 1 if a target was missed, otherwise 0. Print each missed target to standard error."""
    missed = [each for each in judged if not each.is_met]
    for each in missed:
        print(f"MISSED {each.target}: {each.found:.2f} {each.unit}, at most {each.limit:g}", file=sys.stderr)
    return 1 if missed else 0


def _measure(database: Database, options: argparse.Namespace) -> Results:
    over = "Unix sockets" if options.sockets else "TCP"
    results, only = Results(machine(database), options.rounds, over), options.only
    few = options.quick
    with bench_on(database, rounds=options.rounds, is_quick=few) as bench:
        workloads = [quick(each) if few else each for each in WORKLOADS if each.name in only]
        with database.without_autovacuum():
            if workloads:
                results.calibration = calibrate(bench, workloads)
                threads = best_threads(results.calibration)
                results.workloads = measure_workloads(bench, workloads, threads)
                if "gate" in results.workloads:
                    parts = results.workloads["gate"][GATE.name]
                    results.gate_p99_ms = measure_half_load(bench, parts, threads=threads[GATE.project.database])
                results.floors = measure_floors(bench)
            if "drivers" in only:
                results.drivers = measure_drivers(bench)
            if "sizes" in only:
                results.sizes = measure_sizes(bench, SMALL if few else SIZES, quick(READ) if few else READ)
        if "everybody" in only:
            sizes = SMALL[-1:] if few else SIZES[1:]
            results.everybody = {size: measure_everybody(bench, size) for size in sizes}
        if "start" in only:
            results.start_s = measure_start(bench)
        if "memory" in only:
            results.memory_mb = measure_memory(bench, REQUESTS // 10 if few else REQUESTS)
    return results


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure ZapAuth and its baselines.")
    parser.add_argument("--only", type=_names, metavar="NAME,…", help=", ".join(NAMES))
    parser.add_argument(
        "--sockets", action="store_true", help="reach PostgreSQL over its Unix socket; checks no target"
    )
    parser.add_argument("--rounds", type=_rounds, default=5, metavar="N", help="rounds of each workload, in turns (5)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures to FILE")
    parser.add_argument("--data", type=Path, metavar="DIR", help="keep the databases in DIR for the next run")
    parser.add_argument("--again", type=Path, metavar="FILE", help="measure nothing; read the figures from FILE")
    parser.add_argument("--report", action="store_true", help="write the tables into docs/performance.md")
    parser.add_argument("--quick", action="store_true", help="a tenth of the requests; checks no target")
    options = parser.parse_args(arguments)
    # The measurements that are not in IN_TURNS are about ZapAuth alone, so they run once.
    options.only = options.only or (IN_TURNS if options.sockets else NAMES)
    if options.quick and options.report:
        parser.error("--quick is too inexact for --report")
    if options.json and not options.json.resolve().parent.is_dir():
        parser.error(f"--json: there is no folder for {options.json}")
    return options


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in NAMES:
            raise argparse.ArgumentTypeError(f"there is no {name!r}; there are {', '.join(NAMES)}")
    return names


def _rounds(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of rounds")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
