"""Made-up results of a run."""

from bench.measure import Part
from bench.results import Everybody, Results


def part(cpu_ms: float, *, database_ms: float = 0.25) -> Part:
    return Part(
        requests=1000,
        app_ms=cpu_ms - database_ms,
        database_ms=database_ms,
        per_second=1000.0,
        p50_ms=10.0,
        p99_ms=20.0,
        peak_mb=90.0,
    )


def parts(*cpu_ms: float, database_ms: float = 0.25) -> list[Part]:
    return [part(each, database_ms=database_ms) for each in cpu_ms]


def everybody(*, last_accepted_ms: float = 0.0) -> Everybody:
    return Everybody(
        sessions=1_000_000,
        update_s=[20.0, 20.0],
        update_cpu_s=[10.0, 10.0],
        sweep_s=[50.0, 50.0],
        sweep_cpu_s=[30.0, 30.0],
        memory_mb=90.0,
        served_sweep_s=60.0,
        from_launch_s=1.0,
        last_accepted_ms=[-10.0, last_accepted_ms],
        probes=300,
        p50_ms={"before": 3.0, "meanwhile": 4.0},
        p99_ms={"before": 6.0, "meanwhile": 10.0},
    )


def results(**found: object) -> Results:
    return Results(machine={"": "2 cores"}, rounds=3, **found)  # type: ignore[arg-type]
