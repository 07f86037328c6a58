"""Rule 3, sessions: each ends once, with one reason, and never lives again. A refresh token has one successor."""

from tests.history.database import Database
from tests.history.history import Call, History, Outcome
from tests.history.violation import Violation


def won_twice(history: History) -> list[Violation]:
    """At most one logout of a session is answered "done", whether by its own token or from another session."""
    winners: dict[str, Call] = {}
    found = []
    for call in history.calls:
        ended = {"logout": call.session, "logout_one": call.target}.get(call.op)
        if ended and call.outcome is Outcome.DONE:
            first = winners.setdefault(ended, call)
            if first is not call:
                found.append(Violation(3, "two logouts of one session were answered 200", (first, call)))
    return found


def two_successors(history: History) -> list[Violation]:
    """A refresh token is replaced by one other. Two clients that use it at once get the same."""
    first: dict[str, Call] = {}
    found = []
    for call in history.calls:
        if call.op == "refresh" and call.outcome is Outcome.ACCEPTED and call.token and call.brought:
            before = first.setdefault(call.token, call)
            if before.brought != call.brought:
                found.append(Violation(3, "a refresh token has two successors", (before, call)))
    return found


def ended_twice(history: History, database: Database) -> list[Violation]:
    """An ended session keeps its time, its reason and its request: each look at the database shows the same."""
    del history
    found = []
    seen: dict[str, tuple[str, str, str, str | None]] = {}
    last = {key: (row.ended_at, row.reason, row.request, row.run) for key, row in database.sessions.items()}
    for look in database.looks:
        for session in seen.keys() - look.keys():
            found.append(Violation(3, "an ended session lives again", (session, seen.pop(session))))
        for session, facts in look.items():
            if seen.setdefault(session, facts) != facts:
                found.append(Violation(3, "a session ended twice", (session, seen[session], facts)))
    for session, facts in seen.items():
        if last.get(session) != facts:
            found.append(Violation(3, "an ended session has changed", (session, facts, last.get(session))))
    return found
