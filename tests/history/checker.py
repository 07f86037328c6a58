"""Prove from a history and the final database that no promise was broken. Pure functions; no clock and no network.

| rule | module | what it promises |
| --- | --- | --- |
| 1 | `rules.tokens` | What began after the answer to a logout is refused, and so is everything after a refusal |
| 2 | `rules.endings` | An act is there as a whole, or not at all; what was answered is there |
| 3 | `rules.addresses`, `rules.once` | A push address has one user; a session ends once |
| 4 | `rules.outages` | Errors only while PostgreSQL is away; service again at once after its return |
| 5 | `rules.growth` | Connections, threads and memory don't grow |

The check is linear. In general, it takes a search over all orders of the calls to say whether a history is possible. A
token is a register that only falls, from good to dead. So one order decides: if the call that killed it was answered
before another call began, that other call must find it dead. One pass over the calls in the order of time is enough.
"""

from collections.abc import Callable

from tests.history.database import Database
from tests.history.history import History
from tests.history.rules import addresses, endings, growth, once, outages, tokens
from tests.history.violation import Violation

# Rules that need the history only. They hold for any service that has log-ins and logouts.
OF_HISTORY: tuple[Callable[[History], list[Violation]], ...] = (
    tokens.accepted_after_end,
    once.won_twice,
    once.two_successors,
    outages.errors,
    outages.late_service,
    growth.grown,
)
OF_DATABASE: tuple[Callable[[History, Database], list[Violation]], ...] = (
    endings.lost,
    endings.half_done,
    endings.unexplained,
    once.ended_twice,
    addresses.pushed_to_another,
    addresses.left_behind,
)


def check(history: History, database: Database | None = None) -> list[Violation]:
    """Return all violations, those of the first rule first. Without ``database`` only rules of the history."""
    found = [violation for rule in OF_HISTORY for violation in rule(history)]
    if database is not None:
        found += [violation for of_both in OF_DATABASE for violation in of_both(history, database)]
    return sorted(found, key=lambda violation: violation.rule)
