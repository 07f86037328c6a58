"""Rule 4: errors only while the database is disturbed, in the dialect's envelope; and service at once afterwards."""

from bisect import bisect_right
from collections.abc import Iterator

from tests.history.history import Call, Disturbance, History, Outcome
from tests.history.violation import Violation

WITHIN = 2_000_000_000  # ns: every worker answers again so soon after the database's return
# A machine that is busy with other work is slow itself. So the limit grows by this many times its slowest probe: a
# worker opens five connections, sends the limits on each, reads, and answers, and each step waits for a processor.
PROBES = 20
_DATABASE = ("database", "connections")
TIMED_OUT = "timed out"  # `Call.note` of a call that got no answer for `clients.PATIENCE`


def errors(history: History) -> list[Violation]:
    """A 5xx is a proper 503, and only while the database is away or its connections are cut."""
    windows = Windows([each for each in history.disturbances if each.disturbs in (*_DATABASE, "machine")])
    excuses = Windows([each for each in history.disturbances if each.disturbs != "clock"])
    found = []
    for call in history.calls:
        if call.note == TIMED_OUT and not excuses.overlap(call):
            found.append(Violation(4, "a request got no answer while nothing was disturbed", (call,)))
        if call.status is None or call.ended is None or call.dialect == "":
            continue
        if not call.is_proper:
            found.append(Violation(4, "an answer is not in the envelope of its dialect", (call,)))
        if call.status < 500:
            continue
        if call.status != 503:
            found.append(Violation(4, f"a request was answered {call.status}", (call,)))
        elif not windows.overlap(call):
            found.append(Violation(4, "a request was answered 503 while nothing disturbed the database", (call,)))
    return found


class Windows:
    """The times in which a 503 may be answered, to be searched by time."""

    def __init__(self, disturbances: list[Disturbance]) -> None:
        ordered = sorted(disturbances, key=lambda each: each.began)
        self._begins = [each.began for each in ordered]
        self._ends: list[int] = []  # the latest end of this outage and all earlier ones
        for each in ordered:
            self._ends.append(max(bound(each), *self._ends[-1:]) if self._ends else bound(each))

    def overlap(self, call: Call) -> bool:
        before = bisect_right(self._begins, call.ended or call.began) - 1
        return before >= 0 and self._ends[before] >= call.began


def bound(outage: Disturbance) -> int:
    """The time until which a server may refuse after that outage, in ns of the history's clock."""
    return outage.ended + WITHIN + PROBES * outage.slowest_probe


def late_service(history: History) -> list[Violation]:
    """After the database's return each worker answers within the bound, and fails no request after its first good one.

    Requests at a moment when the machine itself was late are not judged.
    """
    calls = sorted((call for call in history.calls if call.worker and call.dialect), key=lambda call: call.began)
    begins = [call.began for call in calls]
    busy = Windows([each for each in history.disturbances if each.disturbs == "machine"])
    found: list[Violation] = []
    for outage in (each for each in history.disturbances if each.disturbs == "database"):
        until = _until(outage, history)
        first, after = bisect_right(begins, outage.ended), bisect_right(begins, until)
        by_worker: dict[int | None, list[Call]] = {}
        for call in calls[first:after]:
            if not busy.overlap(call):
                by_worker.setdefault(call.worker, []).append(call)
        for theirs in by_worker.values():
            found += [Violation(4, text, (outage, *proof)) for text, proof in _late(theirs, outage, until)]
    return found


def _late(calls: list[Call], outage: Disturbance, until: int) -> Iterator[tuple[str, tuple[Call, ...]]]:
    """Judge the calls of one worker that began between the return and ``until``, when the next disturbance begins."""
    good = min((call for call in calls if _is_good(call)), key=lambda call: call.ended or 0, default=None)
    limit = bound(outage)
    for call in calls:
        if call.status is None or call.status < 500 or call.ended is None or call.ended > until:
            continue
        if good is not None and good.ended is not None and good.ended < call.began:
            yield "a request failed after the first good one since the database's return", (good, call)
        elif call.began > limit:
            yield "a worker still refuses after the database's return", (call,)


def _is_good(call: Call) -> bool:
    return call.outcome in (Outcome.ACCEPTED, Outcome.DONE, Outcome.REFUSED) and call.ended is not None


def _until(outage: Disturbance, history: History) -> int:
    """The beginning of the next disturbance that could excuse an error."""
    later = (each.began for each in history.disturbances if each.began > outage.began and each.disturbs in _DATABASE)
    return min(later, default=1 << 62)
