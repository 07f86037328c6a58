"""The results of a run, and the figures that are computed from them."""

import json
import math
import statistics
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench.measure import Part


@dataclass(frozen=True)
class Spread:
    """Minimum, median and maximum of one figure over all rounds."""

    least: float
    median: float
    most: float

    @classmethod
    def of(cls, values: list[float]) -> "Spread":
        return cls(min(values), statistics.median(values), max(values))


@dataclass(frozen=True)
class Everybody:
    """Results of logging everybody out, for one number of sessions. Each list has an entry for each round."""

    sessions: int
    update_s: list[float]  # of the plain UPDATE
    update_cpu_s: list[float]
    sweep_s: list[float]
    sweep_cpu_s: list[float]  # of the command and of PostgreSQL, from launch to end
    memory_mb: float  # the maximum of the command
    served_sweep_s: float  # while a server answers
    from_launch_s: float  # from the command's launch to the order
    last_accepted_ms: list[float]  # after the order, by worker
    probes: int
    p50_ms: dict[str, float]  # of a read, "before" and "meanwhile"
    p99_ms: dict[str, float]

    @property
    def ratio(self) -> Spread:
        """Time of the sweep divided by the time of a plain UPDATE of the same rows."""
        return ratio_of(self.sweep_s, self.update_s)

    @property
    def cpu_ratio(self) -> Spread:
        """The same for CPU time, which depends neither on the disk nor on other load."""
        return ratio_of(self.sweep_cpu_s, self.update_cpu_s)


@dataclass
class Results:
    machine: dict[str, str]
    rounds: int
    over: str = "TCP"  # how the servers reach PostgreSQL
    calibration: dict[str, dict[int, list[float]]] = field(default_factory=dict)  # by subject, by threads of a worker
    workloads: dict[str, dict[str, list[Part]]] = field(default_factory=dict)  # by workload, by subject
    gate_p99_ms: list[float] = field(default_factory=list)  # at half of the requests that it can answer
    floors: dict[str, list[float]] = field(default_factory=dict)  # CPU milliseconds by statement
    drivers: dict[str, list[float]] = field(default_factory=dict)  # CPU microseconds of a read's statement
    sizes: dict[int, list[Part]] = field(default_factory=dict)  # by live sessions
    everybody: dict[int, Everybody] = field(default_factory=dict)  # by live sessions
    start_s: list[float] = field(default_factory=list)
    memory_mb: dict[int, float] = field(default_factory=dict)  # by requests answered

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self), indent=1) + "\n")

    @classmethod
    def read(cls, path: Path) -> "Results":
        found: dict[str, Any] = json.loads(path.read_text())
        parts = {name: {who: _parts(of) for who, of in by.items()} for name, by in found["workloads"].items()}
        return cls(
            **found
            | {
                "calibration": {
                    name: {int(threads): values for threads, values in by.items()}
                    for name, by in found["calibration"].items()
                },
                "workloads": parts,
                "sizes": {int(size): _parts(of) for size, of in found["sizes"].items()},
                "everybody": {int(size): Everybody(**of) for size, of in found["everybody"].items()},
                "memory_mb": {int(after): mb for after, mb in found["memory_mb"].items()},
            }
        )

    def cpu_ms(self, workload: str, subject: str) -> list[float]:
        """The CPU of one request, round by round."""
        return [part.cpu_ms for part in self.workloads[workload][subject]]

    def ratio(self, workload: str, subject: str, baseline: str) -> Spread:
        """The ratio of the two CPU times for one request, computed for each round."""
        return ratio_of(self.cpu_ms(workload, subject), self.cpu_ms(workload, baseline))


def ratio_of(values: list[float], baseline: list[float]) -> Spread:
    """The ratio for each round. It is infinite if the baseline took less than one tick of the CPU clock."""
    pairs = zip(values, baseline, strict=True)
    return Spread.of([value / other if other > 0 else math.inf for value, other in pairs])


def _parts(found: list[dict[str, Any]]) -> list[Part]:
    return [Part(**each) for each in found]
