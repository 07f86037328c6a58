"""ZapAuth's performance targets, and whether a run meets them."""

from collections.abc import Iterator
from dataclasses import dataclass

from bench.results import Results, Spread, ratio_of
from bench.subjects import BUDDY, GATE, KNOX_TOKENS, SIMPLEJWT, ZAP, ZAP_ROTATING, Subject

SIZES = (1_000, 100_000, 1_000_000)
# The highest ratio of a subject's CPU to a baseline's, by workload.
RATIOS: tuple[tuple[str, Subject, Subject, float], ...] = (
    ("read", ZAP, SIMPLEJWT, 0.55),
    ("read", BUDDY, SIMPLEJWT, 0.55),
    ("gate", GATE, ZAP, 1.05),
    ("logout", ZAP, KNOX_TOKENS, 0.64),  # the aim is 0.5
    ("logout", BUDDY, KNOX_TOKENS, 0.71),
    ("refresh", ZAP, SIMPLEJWT, 0.60),
    ("refresh", ZAP_ROTATING, SIMPLEJWT, 0.60),
    ("login", ZAP, SIMPLEJWT, 1.5),
    ("login", BUDDY, SIMPLEJWT, 1.5),
)


@dataclass(frozen=True)
class Verdict:
    target: str
    found: float
    limit: float  # the highest value that meets the target
    unit: str = ""

    @property
    def is_met(self) -> bool:
        return self.found <= self.limit


def verdicts(results: Results) -> list[Verdict]:
    """A verdict for each target that the run measured. The targets apply over TCP."""
    if results.over != "TCP":
        return []
    return [*_of_workloads(results), *_of_sizes(results), *_of_everybody(results), *_of_start_and_memory(results)]


def _of_workloads(results: Results) -> Iterator[Verdict]:
    for workload, subject, baseline, limit in RATIOS:
        if workload in results.workloads:
            ratio = results.ratio(workload, subject.name, baseline.name)
            yield Verdict(f"{workload}: {subject.name} to {baseline.name}, CPU", ratio.median, limit)
    if results.gate_p99_ms:
        yield Verdict("gate: p99 at half load", Spread.of(results.gate_p99_ms).median, 20, "ms")
    if "logout" in results.workloads and results.floors:
        for subject in (ZAP, BUDDY):
            parts = [part.database_ms for part in results.workloads["logout"][subject.name]]
            ratio = ratio_of(parts, results.floors["UPDATE"])
            yield Verdict(f"logout: {subject.name}, database, to a single-row UPDATE", ratio.median, 4)


def _of_sizes(results: Results) -> Iterator[Verdict]:
    least, most = SIZES[0], SIZES[-1]
    if {least, most} <= results.sizes.keys():
        ratio = ratio_of(
            [part.cpu_ms for part in results.sizes[most]],
            [part.cpu_ms for part in results.sizes[least]],
        )
        yield Verdict(f"read: at {most:,} live sessions to at {least:,}, CPU", ratio.median, 1.1)


def _of_everybody(results: Results) -> Iterator[Verdict]:
    found = results.everybody.get(SIZES[-1])
    if found is not None:
        yield Verdict("everybody: last token accepted after the order", max(found.last_accepted_ms), 100, "ms")
        yield Verdict("everybody: sweep to plain UPDATE", found.ratio.median, 3)
        yield Verdict("everybody: peak memory of the command", found.memory_mb, 150, "MB")


def _of_start_and_memory(results: Results) -> Iterator[Verdict]:
    if results.start_s:
        yield Verdict("start: the second one answers", Spread.of(results.start_s).median, 5, "s")
    if results.memory_mb:
        last = max(results.memory_mb)
        half = min(results.memory_mb, key=lambda after: abs(after - last / 2))
        yield Verdict(f"memory: a worker after {last:,} requests", results.memory_mb[last], 120, "MB")
        growth = results.memory_mb[last] - results.memory_mb[half]
        yield Verdict(f"memory: its growth after {half:,} of them", growth, 0.5, "MB")
