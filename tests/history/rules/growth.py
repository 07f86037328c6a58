"""Rule 5: connections, threads and memory are at the end what they were after the first minute."""

from collections import defaultdict

from tests.history.history import History, Measure
from tests.history.violation import Violation

SHORTEST = 165_000_000_000  # ns between the first and the last measure: a run of three minutes
_MINUTE = 60_000_000_000
_WINDOW = 20_000_000_000
# A process that is busy with other requests at the moment of a measure has a few more.
MORE_THREADS, MORE_CONNECTIONS = 4, 16
MORE_MEMORY, MORE_BYTES = 1.25, 16 * 2**20


def grown(history: History) -> list[Violation]:
    """Compare the maximum of the first minute with the end of the run, for each kind of process."""
    measures = history.measures
    if not measures or measures[-1].at - measures[0].at < SHORTEST:
        return []
    start, end = measures[0].at + _MINUTE, measures[-1].at
    by_process: dict[str, list[Measure]] = defaultdict(list)
    for each in measures:
        by_process[each.process].append(each)
    found = []
    for process, theirs in sorted(by_process.items()):
        # A process that has just started uses less. So all of the first minute counts, and a little more.
        early = [each for each in theirs if each.at <= start + _WINDOW]
        late = [each for each in theirs if end - each.at <= _WINDOW]
        if early and late:
            found += _compared(process, early, late)
    return found


def _compared(process: str, early: list[Measure], late: list[Measure]) -> list[Violation]:
    limits = {
        "threads": max(each.threads for each in early) + MORE_THREADS,
        "connections": max(each.connections for each in early) + MORE_CONNECTIONS,
        "memory": max(each.memory for each in early) * MORE_MEMORY + MORE_BYTES,
    }
    return [
        Violation(5, f"{name} of {process} grew to {most:,}, above {limit:,.0f}", (early[-1], late[-1]))
        for name, limit in limits.items()
        if (most := _steady(late, name)) > limit
    ]


def _steady(measures: list[Measure], name: str) -> int:
    """The constant use of the process that uses most. A moment with many requests does not count."""
    least: dict[int, int] = {}
    for each in measures:
        least[each.pid] = min(least.get(each.pid, 1 << 62), getattr(each, name))
    return max(least.values())
