"""The tables of a run in Markdown. A terminal shows the same text."""

from collections.abc import Iterator
from statistics import median

from bench.calibration import best_threads
from bench.measure import Part
from bench.results import Results, Spread, ratio_of
from bench.subjects import SUBJECTS
from bench.targets import Verdict
from bench.workloads import WORKLOADS

_ZAPAUTH = {subject.name for subject in SUBJECTS if subject.is_zapauth}


def tables(results: Results, judged: list[Verdict]) -> str:
    machine = ", ".join(f"{name} {value}" if name else value for name, value in results.machine.items())
    sections = [
        *_targets(judged),
        *_calibration(results),
        *_workloads(results),
        *_sizes(results),
        *_everybody(results),
        *_rest(results),
    ]
    conditions = f"{machine}; PostgreSQL over {results.over}; {results.rounds} rounds."
    return "\n\n".join([conditions, *sections])


def table(head: list[str], rows: list[list[str]]) -> str:
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    lines = [head, ["-" * width for width in widths], *rows]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    )


def spread_text(spread: Spread, digits: int = 2) -> str:
    return f"{spread.median:.{digits}f} ({spread.least:.{digits}f}-{spread.most:.{digits}f})"


def _targets(judged: list[Verdict]) -> Iterator[str]:
    if judged:
        rows = [
            [each.target, _with_unit(each.found, each), _with_unit(each.limit, each), "" if each.is_met else "MISSED"]
            for each in judged
        ]
        yield "### Targets"
        yield table(["", "found", "at most", ""], rows)


def _with_unit(value: float, verdict: Verdict) -> str:
    return f"{value:.2f} {verdict.unit}".strip()


def _calibration(results: Results) -> Iterator[str]:
    if results.calibration:
        best = best_threads(results.calibration)
        databases = {subject.name: subject.project.database for subject in SUBJECTS}
        counts = list(next(iter(results.calibration.values())))
        rows = [
            [name, *(f"{median(by_threads[each]):.3f}" for each in counts), str(best[databases[name]])]
            for name, by_threads in results.calibration.items()
        ]
        yield "### Calibration: CPU ms of a read by threads of a worker"
        yield table(["", *(str(count) for count in counts), "measured with"], rows)


def _workloads(results: Results) -> Iterator[str]:
    for workload in WORKLOADS:
        if workload.name in results.workloads:
            yield f"### {workload.title}"
            yield _workload(results, workload.name)
    if results.gate_p99_ms:
        yield f"At half of its requests/s, the gate's p99 is {spread_text(Spread.of(results.gate_p99_ms), 1)} ms."
    if results.floors:
        yield "### One prepared statement by primary key, autocommitted"
        rows = [[name, spread_text(Spread.of(values), 3)] for name, values in results.floors.items()]
        yield table(["", "CPU ms of the database"], rows)
    if results.drivers:
        yield "### A read's statement, by the way it is sent"
        rows = [[name, spread_text(Spread.of(values), 0)] for name, values in results.drivers.items()]
        yield table(["", "CPU µs of the caller"], rows)


def _workload(results: Results, workload: str) -> str:
    by_subject = results.workloads[workload]
    # Where only ZapAuth is measured, its first subject is the baseline of the others.
    baselines = {name for name in by_subject if name not in _ZAPAUTH} or {next(iter(by_subject))}
    ours = [name for name in by_subject if name not in baselines]
    rows = []
    for name, parts in by_subject.items():
        ratios = ["" if name not in baselines else spread_text(results.ratio(workload, our, name)) for our in ours]
        rows.append([name, spread_text(Spread.of(results.cpu_ms(workload, name)), 3), *_part(parts), *ratios])
    head = ["", "CPU ms", "app", "database", "requests/s", "p50 ms", "p99 ms", "peak MB"]
    return table([*head, *(f"{our} to it" for our in ours)], rows)


def _part(parts: list[Part]) -> list[str]:
    """The medians of a subject's parts, as texts."""
    return [
        f"{median(part.app_ms for part in parts):.3f}",
        f"{median(part.database_ms for part in parts):.3f}",
        f"{median(part.per_second for part in parts):.0f}",
        f"{median(part.p50_ms for part in parts):.1f}",
        f"{median(part.p99_ms for part in parts):.1f}",
        f"{median(part.peak_mb for part in parts):.0f}",
    ]


def _sizes(results: Results) -> Iterator[str]:
    if results.sizes:
        least = [part.cpu_ms for part in results.sizes[min(results.sizes)]]
        rows = []
        for size, parts in results.sizes.items():
            cpu = [part.cpu_ms for part in parts]
            rows.append([f"{size:,}", spread_text(Spread.of(cpu), 3), *_part(parts), spread_text(ratio_of(cpu, least))])
        head = ["live sessions", "CPU ms", "app", "database", "requests/s", "p50 ms", "p99 ms", "peak MB"]
        yield "### Authenticated read by live sessions"
        yield table([*head, f"to {min(results.sizes):,}"], rows)


def _everybody(results: Results) -> Iterator[str]:
    if results.everybody:
        columns = list(results.everybody.values())
        rows = [
            ["plain UPDATE, s", *(spread_text(Spread.of(each.update_s), 1) for each in columns)],
            ["sweep, s", *(spread_text(Spread.of(each.sweep_s), 1) for each in columns)],
            ["sweep to plain UPDATE", *(spread_text(each.ratio) for each in columns)],
            ["plain UPDATE, CPU s", *(spread_text(Spread.of(each.update_cpu_s), 1) for each in columns)],
            ["sweep, CPU s", *(spread_text(Spread.of(each.sweep_cpu_s), 1) for each in columns)],
            ["sweep to plain UPDATE, CPU", *(spread_text(each.cpu_ratio) for each in columns)],
            ["sweep while serving, s", *(f"{each.served_sweep_s:.1f}" for each in columns)],
            ["from launch to order, s", *(f"{each.from_launch_s:.1f}" for each in columns)],
            ["last accepted, ms after the order, by worker", *(_comma(each.last_accepted_ms) for each in columns)],
            ["probes", *(f"{each.probes}" for each in columns)],
            ["p50 of a read, ms before, meanwhile", *(_comma([*each.p50_ms.values()], 1) for each in columns)],
            ["p99 of a read, ms before, meanwhile", *(_comma([*each.p99_ms.values()], 1) for each in columns)],
            ["peak memory of the command, MB", *(f"{each.memory_mb:.0f}" for each in columns)],
        ]
        yield "### Everybody out"
        yield table(["", *(f"{each.sessions:,} sessions" for each in columns)], rows)


def _comma(values: list[float], digits: int = 0) -> str:
    return ", ".join(f"{value:.{digits}f}" for value in values)


def _rest(results: Results) -> Iterator[str]:
    if results.start_s:
        yield "### The second start"
        yield f"Answers after {spread_text(Spread.of(results.start_s))} s."
    if results.memory_mb:
        yield "### Memory of the larger worker"
        yield table(["requests", "MB"], [[f"{after:,}", f"{mb:.1f}"] for after, mb in results.memory_mb.items()])
