"""Run histories against seeded faults, and tell which violation proves each fault first, and when."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from tests.history.checker import check
from tests.history.clients import Town
from tests.history.database import dump, save
from tests.history.faults.catalogue import FAULTS, Fault
from tests.history.history import Call, History, Recorder
from tests.history.pulse import Pulse
from tests.history.run import DATABASE, HISTORY, VIOLATIONS, Options
from tests.history.run import _live as live
from tests.history.servers import running
from tests.history.violation import Violation
from tests.history.wallet import Wallet

SETTINGS, SWITCH = "tests.history.faults.settings", "ZAPAUTH_TEST_FAULT"
USERS, ADDRESSES, DEVICES = 16, 12, 6
_HEAD = (
    "| fault | what it is | found by | after | operations | violations |",
    "| --- | --- | --- | ---: | ---: | ---: |",
)
# What earlier runs have left. Users and apps stay.
_EMPTY = """
SET session_replication_role = replica; -- the record can't be emptied otherwise
TRUNCATE user_sessions_session, user_sessions_bulkrun, user_sessions_notice, users_devicetoken, users_device,
         token_blacklist_outstandingtoken, token_blacklist_blacklistedtoken, users_securityevent CASCADE;
UPDATE users_app SET sessions_valid_after = NULL;
UPDATE users_user SET sessions_valid_after = NULL;
"""


@dataclass(frozen=True)
class Finding:
    """What the checker made of one fault. ``first`` is None if it found nothing.

    Args: seconds: from the first call to the call that completes the first proof. None: only the final database
        proves it.
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
        recorder.close()
        yield town


def find(name: str, before: Town, folder: Path, options: Options) -> Finding:
    """Start the servers again with the fault, run a history in ``folder``, and check it."""
    world, recorder = before.world, Recorder(folder / HISTORY)
    world.stop_servers()
    if world.clock is not None:
        world.clock.write_text("+0s")
    with psycopg.connect(world.url) as link:
        link.execute(_EMPTY)
    world.commands[SWITCH] = name
    for server in world.servers.values():
        server.given[SWITCH] = name
        server.start()
    wallet = Wallet(addresses=ADDRESSES, devices=DEVICES)
    wallet.users = before.wallet.users
    town = Town(world, recorder, wallet, options.seed, before.app, before.sender)
    pulse = Pulse(world, recorder)
    try:
        live(town, pulse, options)
        world.stop_servers()
        database = dump(world.url)
    finally:
        recorder.close()
    database.looks = pulse.looks
    save(database, folder / DATABASE)
    violations = check(recorder.history, database)
    (folder / VIOLATIONS).write_text("".join(f"{each}\n" for each in violations))
    first, at = first_of(recorder.history, violations)
    return Finding(FAULTS[name], recorder.history, violations, town.failures, first, at)


def first_of(history: History, violations: list[Violation]) -> tuple[Violation | None, float | None]:
    """Return the violation whose proof was complete first, and after how many seconds of the history."""
    by_request = {call.request: call for call in history.calls if call.request}
    began = min((call.began for call in history.calls), default=0)
    dated = []
    for violation in violations:
        ends = [call.ended for call in _calls_of(violation, by_request) if call.ended is not None]
        dated.append((max(ends) if ends else None, violation))
    first = min((each for each in dated if each[0] is not None), key=lambda each: each[0] or 0, default=None)
    if first is None:
        return (violations[0] if violations else None), None
    return first[1], ((first[0] or 0) - began) / 1e9


def _calls_of(violation: Violation, by_request: dict[str, Call]) -> Iterator[Call]:
    """The calls of a proof. A row of the database names the request that wrote it."""
    for each in violation.proof:
        if isinstance(each, Call):
            yield each
        elif getattr(each, "request", "") in by_request:
            yield by_request[each.request]


def table(findings: Iterator[Finding]) -> Iterator[str]:
    """Yield the lines of the table in docs/proof.md."""
    yield from _HEAD
    for finding in findings:
        yield finding.row()
