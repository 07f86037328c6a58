"""Run histories against seeded faults. For each one, report the first violation that proves it, and when."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock

import psycopg

from tests.history import clients
from tests.history.checker import OF_HISTORY, check
from tests.history.clients import live_as_a_phone, live_as_a_push_sender, live_as_an_operator, live_as_staff
from tests.history.database import dump, save
from tests.history.faults.catalogue import FAULTS
from tests.history.faults.fault import Fault
from tests.history.history import History, Recorder, now
from tests.history.nemesis import Nemesis
from tests.history.pulse import Pulse
from tests.history.rules import addresses, endings, once, tokens
from tests.history.run import DATABASE, HISTORY, VIOLATIONS, Options
from tests.history.servers import World, running
from tests.history.town import Town
from tests.history.violation import Violation
from tests.history.wallet import Wallet

SETTINGS, SWITCH = "tests.history.faults.settings", "ZAPAUTH_TEST_FAULT"
USERS, ADDRESSES, DEVICES = 16, 12, 6
_EVERY = 1.0  # seconds between two checks
# Seconds without a disturbance at the end. A busy machine may take longer: `tests.history.rules.outages.bound`.
SETTLE = 12.0
# Only these rules can judge an unfinished history. In the others, an outage or another client may still be the cause.
_AT_ONCE = (tokens.accepted_after_end, once.won_twice, once.two_successors)
# These hold for the database at each moment, while requests are under way.
_AT_EACH_MOMENT = (endings.half_done, once.ended_twice, addresses.left_behind)
_HEAD = (
    "| fault | what it is | found by | after | operations | violations |",
    "| --- | --- | --- | ---: | ---: | ---: |",
)
_REMEMBER = "CREATE TABLE history_passwords AS SELECT id, password FROM users_user"
# Delete the rows of earlier runs. Users and apps stay, and users get their first passwords again.
_EMPTY = """
SET session_replication_role = replica; -- the record can't be emptied otherwise
TRUNCATE user_sessions_session, user_sessions_bulkrun, user_sessions_notice, users_devicetoken, users_device,
         token_blacklist_outstandingtoken, token_blacklist_blacklistedtoken, users_securityevent CASCADE;
UPDATE users_app SET sessions_valid_after = NULL;
UPDATE users_user u SET sessions_valid_after = NULL, password = p.password FROM history_passwords p WHERE p.id = u.id;
"""


@dataclass(frozen=True)
class Seen:
    """A violation that a look at the database has proved while the run went on."""

    violation: Violation
    at: int  # ns of the history's clock


@dataclass(frozen=True)
class Finding:
    """The checker's findings about one fault. ``first`` is None if it found nothing.

    Args: seconds: from the first call to the call or the look at the database that completes the first proof. None:
        only the final database proves it.
    """

    fault: Fault
    history: History
    violations: list[Violation]
    failures: list[str]
    first: Violation | None
    seconds: float | None

    def row(self) -> str:
        """The fault's line in the table of docs/proof.md."""
        operations, violations = len(self.history.calls), len(self.violations)
        found = "**nothing**" if self.first is None else f"rule {self.first.rule}: {self.first.text}"
        after = "at the end" if self.seconds is None else f"{self.seconds:.1f} s"
        name, what = self.fault.name, self.fault.what
        return f"| `{name}` | {what} | {found} | {after} | {operations:,} | {violations:,} |"


@contextmanager
def prepared(folder: Path) -> Iterator[Town]:
    """Start a database, and two servers without a fault, and make the users. All runs share them: each takes a minute.

    Yields: the users. Each run has a copy.
    """
    with running(folder, settings=SETTINGS, **{SWITCH: ""}) as world:
        recorder = Recorder(folder / "prepared.jsonl")
        town = Town(world, recorder, Wallet(addresses=ADDRESSES, devices=DEVICES), seed=0)
        town.prepare(users=USERS)
        with psycopg.connect(world.url) as link:
            link.execute(_REMEMBER)
        recorder.close()
        yield town


def find(name: str, before: Town, folder: Path, options: Options, *, quick: bool = False) -> Finding:
    """Start the servers again with the fault, and run a history in ``folder`` until the fault is proved.

    If neither its calls nor the looks at the database prove it, the final database may.

    Args: quick: only one server, and only the clients and the acts of the nemesis that the fault needs.
    """
    fault, recorder = FAULTS[name], Recorder(folder / HISTORY)
    world = _world_with(name, before.world, is_small=quick and fault.act != "clock")
    wallet = Wallet(addresses=ADDRESSES, devices=DEVICES)
    wallet.users = [replace(each, passwords=list(each.passwords), changing=Lock()) for each in before.wallet.users]
    town = Town(world, recorder, wallet, options.seed, before.app, before.sender, fault.often)
    pulse = Pulse(world, recorder)
    try:
        seen = _live(town, pulse, options, kinds=_kinds(fault, options.phones, quick=quick))
        world.stop_servers()
        database = dump(world.url)
    finally:
        recorder.close()
    database.looks, database.miscounted = pulse.looks, pulse.miscounted
    database.left_behind = pulse.left_behind
    save(database, folder / DATABASE)
    violations = check(recorder.history, database)
    if seen is not None and not violations:
        violations.append(seen.violation)  # the end of the run has hidden it
    (folder / VIOLATIONS).write_text("".join(f"{each}\n" for each in violations))
    first, at = first_of(recorder.history, violations, seen)
    return Finding(fault, recorder.history, violations, town.failures, first, at)


def _world_with(name: str, world: World, *, is_small: bool) -> World:
    """Empty the tables, and start the servers with the fault."""
    world.stop_servers()
    if world.clock is not None:
        world.clock.write_text("+0s")
    with psycopg.connect(world.url) as link:
        link.execute(_EMPTY)
    a, b = world.servers.values()
    used = replace(world, servers={"a": a, "b": a if is_small else b})
    used.commands[SWITCH] = name
    for server in {a.port: a, used.servers["b"].port: used.servers["b"]}.values():
        server.given[SWITCH] = name
        server.start()
    return used


def _kinds(fault: Fault, phones: int, *, quick: bool) -> list[Callable[[Town, int], None]]:
    """The clients. Commands are left out first: each of them takes seconds to start."""
    kinds: list[Callable[[Town, int], None]] = [live_as_a_phone] * phones
    kinds += [live_as_a_push_sender, live_as_staff]
    return kinds if quick and fault.act not in ("order", "clock") else [*kinds, live_as_an_operator]


def _live(town: Town, pulse: Pulse, options: Options, *, kinds: list[Callable[[Town, int], None]]) -> Seen | None:
    """Let the clients live until the fault is proved, or the time is over. Returns: what the database has proved."""
    pulse.start()
    nemesis = None if options.only == "none" else Nemesis(town, pulse, only=options.only)
    threads = [threading.Thread(target=kind, args=[town, number], daemon=True) for number, kind in enumerate(kinds, 1)]
    for each in [*threads, *([nemesis] if nemesis else [])]:
        each.start()
    deadline = time.monotonic() + options.seconds
    seen = None
    while time.monotonic() < deadline and not seen and not any(rule(_so_far(town)) for rule in _AT_ONCE):
        town.over.wait(_EVERY)
        seen = _look(town.world, pulse)
    if nemesis is not None:
        nemesis.stop()
        if time.monotonic() >= deadline:
            town.over.wait(SETTLE)
    town.over.set()
    clients.wait_for(threads, seconds=120)
    pulse.stop()
    return seen


def _look(world: World, pulse: Pulse) -> Seen | None:
    """Judge the database as it is now."""
    earlier = {"looks": list(pulse.looks), "miscounted": list(pulse.miscounted), "left_behind": list(pulse.left_behind)}
    try:
        database = replace(dump(world.url), **earlier)
    except psycopg.Error:
        return None
    at = now()
    return next((Seen(each, at) for rule in _AT_EACH_MOMENT for each in rule(History(), database)), None)


def _so_far(town: Town) -> History:
    """A copy of the history. The clients add calls meanwhile."""
    history = town.recorder.history
    return History(list(history.calls), list(history.disturbances), list(history.measures))


def first_of(history: History, violations: list[Violation], seen: Seen | None) -> tuple[Violation | None, float | None]:
    """Return the violation that is proved first, and after how many seconds of the history.

    If only the database at the end proves any, return the first one of ``violations``, and None.
    """
    found = [(_completed(violation), violation) for rule in OF_HISTORY for violation in rule(history)]
    if seen is not None:
        found.append((seen.at, seen.violation))
    if not found:
        return (violations[0] if violations else None), None
    at, first = min(found, key=lambda each: each[0])
    return first, (at - min(call.began for call in history.calls)) / 1e9


def _completed(violation: Violation) -> int:
    """The time of the last answer, disturbance or measure in a proof."""
    times = (getattr(each, "ended", None) or getattr(each, "at", None) for each in violation.proof)
    return max((at for at in times if at is not None), default=0)


def table(findings: Iterator[Finding]) -> Iterator[str]:
    """Yield the lines of the table in docs/proof.md."""
    yield from _HEAD
    for finding in findings:
        yield finding.row()
