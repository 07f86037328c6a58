"""Prove from a history and the final database that no promise was broken. Pure functions; no clock and no network.

| rule | module | what it promises |
| --- | --- | --- |
| 1 | `rules.tokens` | A token is refused by each call that begins after the answer to its logout, or after a refusal |
| 2 | `rules.endings` | An act is stored as a whole or not at all; every answered act is stored |
| 3 | `rules.addresses`, `rules.once` | A push address has one user; a session ends once |
| 4 | `rules.outages` | Errors only while PostgreSQL is away; service again at once after its return |
| 5 | `rules.growth` | Connections, threads and memory don't grow |

The check is linear. In general, a checker must search through all orders of the calls to say whether a history is
possible. But a token only ever goes from good to dead. If the call that killed it was answered before another call
began, that other call must find it dead. So one pass over the calls in the order of time is enough.
"""

from collections.abc import Callable

from tests.history.database import Database
from tests.history.history import History
from tests.history.rules import addresses, endings, growth, once, outages, tokens
from tests.history.violation import Violation

# Rules that need only the history. They hold for any service that has log-ins and logouts.
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
