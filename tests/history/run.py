"""One run: start everything, let the clients live while the nemesis works, and check the history."""

import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.history import clients, servers
from tests.history.checker import check
from tests.history.database import Database, dump, save
from tests.history.history import History, Outcome, Recorder
from tests.history.nemesis import Nemesis
from tests.history.pulse import Pulse
from tests.history.rules.outages import Windows, bound
from tests.history.town import Town
from tests.history.violation import Violation
from tests.history.wallet import Wallet

SETTLE = 3.0  # seconds of undisturbed service at the end
HISTORY, DATABASE, VIOLATIONS = "history.jsonl", "database.json", "violations.txt"


@dataclass(frozen=True, kw_only=True)
class Options:
    seconds: float
    seed: int = 1
    phones: int = 8
    users: int = 16
    settings: str = servers.SETTINGS
    only: str = ""  # only acts of the nemesis with this text in their name; "none": no act
    environment: dict[str, str] = field(default_factory=dict)  # more of it for servers and commands


@dataclass
class Result:
    options: Options
    history: History
    database: Database
    violations: list[Violation]
    failures: list[str]  # of the clients and the nemesis: then the run proves nothing

    @property
    def is_good(self) -> bool:
        return not self.violations and not self.failures

    def line(self) -> str:
        """Say in one line what was done and found."""
        faults = [each for each in self.history.disturbances if each.disturbs != "machine"]
        calls = Counter(call.outcome for call in self.history.calls)
        unknown = sum(calls[each] for each in (Outcome.UNKNOWN, Outcome.UNAVAILABLE, Outcome.ERROR))
        return (
            f"{self.options.seconds:g} s, seed {self.options.seed}: {len(self.history.calls):,} operations"
            f" ({unknown:,} without a sure answer), {len(self.database.sessions):,} sessions,"
            f" {len(faults)} faults, {len(self.violations)} violations"
        )

    def report(self) -> str:
        """Figures for people: operations and faults by kind, and how soon service was there again."""
        ops = Counter(call.op for call in self.history.calls)
        acts = Counter(each.act for each in self.history.disturbances)
        lines = ["operations: " + ", ".join(f"{op} {count:,}" for op, count in ops.most_common())]
        lines += ["faults: " + ", ".join(f"{act} {count}" for act, count in acts.most_common())]
        for name, got in _back(self.history):
            lines.append(f"{name}: {got}")
        return "\n".join([*lines, *_measures(self.history)])


def _back(history: History) -> Iterator[tuple[str, str]]:
    """For each outage: the last refused request after the database's return, and the limit."""
    outages = sorted(
        (each for each in history.disturbances if each.disturbs in ("database", "connections")),
        key=lambda each: each.began,
    )
    busy = Windows([each for each in history.disturbances if each.disturbs == "machine"])
    refused = [(call.began, call.ended or 0) for call in history.calls if call.status == 503 and not busy.overlap(call)]
    for outage, following in zip(outages, [*outages[1:], None], strict=True):
        until = following.began if following else outage.ended + 60_000_000_000
        last = max((at for at, ended in refused if outage.ended < at and ended < until), default=None)
        limit = (bound(outage) - outage.ended) / 1e9
        told = "no 503 began after the return"
        if last is not None:
            told = f"the last 503 began {(last - outage.ended) / 1e9:.2f} s after the return"
        yield outage.act, f"{told}, limit {limit:.2f} s"


def _measures(history: History) -> Iterator[str]:
    for process in sorted({each.process for each in history.measures}):
        theirs = [each for each in history.measures if each.process == process]
        start = theirs[0].at
        for name, around in (("first minute", start + 60_000_000_000), ("end", theirs[-1].at)):
            near = [each for each in theirs if abs(each.at - around) <= 20_000_000_000]
            if near:
                threads, connections, memory = (
                    max(getattr(each, what) for each in near) for what in ("threads", "connections", "memory")
                )
                used = f"{threads} threads, {connections} files, {memory / 2**20:.0f} MB"
                yield f"{process}, {name}: {used if threads else f'{connections} connections'}"


def run(options: Options, folder: Path) -> Result:
    """Run a history in ``folder``, and leave there the history, the dump of the database, and the violations."""
    recorder = Recorder(folder / HISTORY)
    try:
        with servers.running(folder, settings=options.settings, **options.environment) as world:
            town = Town(world, recorder, Wallet(addresses=12, devices=6), options.seed)
            town.prepare(users=options.users)
            pulse = Pulse(world, recorder)
            _live(town, pulse, options)
            world.stop_servers()  # so that no request is under way any more
            database = dump(world.url)
            database.looks, database.miscounted = pulse.looks, pulse.miscounted
            database.left_behind = pulse.left_behind
    finally:
        recorder.close()
    save(database, folder / DATABASE)
    violations = check(recorder.history, database)
    (folder / VIOLATIONS).write_text("".join(f"{each}\n" for each in violations))
    return Result(options, recorder.history, database, violations, town.failures)


def _live(town: Town, pulse: Pulse, options: Options) -> None:
    pulse.start()
    nemesis = None if options.only == "none" else Nemesis(town, pulse, only=options.only)
    threads = clients.start(town, phones=options.phones)
    if nemesis is not None:
        nemesis.start()
    _wait(town, options.seconds - SETTLE)
    if nemesis is not None:
        nemesis.stop()
    _wait(town, SETTLE)
    town.over.set()
    clients.wait_for(threads, seconds=120)
    town.failures += [f"{each.name} does not end" for each in threads if each.is_alive()]
    pulse.stop()


def _wait(town: Town, seconds: float) -> None:
    """Wait, but not for a run that has failed already."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not town.failures:
        threading.Event().wait(min(0.2, max(0.0, deadline - time.monotonic())))


@contextmanager
def folder_of(kept: str | None) -> Iterator[Path]:
    """The folder of a run: ``kept``, or one that is deleted afterwards."""
    if kept is not None:
        path = Path(kept)
        path.mkdir(parents=True, exist_ok=True)
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="zapauth-history-", ignore_cleanup_errors=True) as name:
        yield Path(name)
