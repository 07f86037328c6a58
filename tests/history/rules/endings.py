"""Rule 2: an act is stored as a whole or not at all, and every answered act is stored after every crash."""

from collections import Counter
from collections.abc import Iterator

from tests.history.database import Database, SessionRow
from tests.history.history import Call, History, Outcome
from tests.history.rules.replay import BY_TOKEN, killers
from tests.history.violation import Violation


def lost(history: History, database: Database) -> list[Violation]:
    """Every answered act is in the database: each log-in, each end of a session, each change of a password."""
    found = [Violation(2, *each) for call in history.calls for each in _lost_by(call, database)]
    for session, call in killers(history).items():
        row = database.sessions.get(session)
        if call.outcome is Outcome.DONE and row is not None and row.ended_at is None and not row.is_cut_off:
            found.append(Violation(2, "an answered order has not ended an earlier session", (call, row)))
    return found + _lost_passwords(history, database)


def _lost_by(call: Call, database: Database) -> Iterator[tuple[str, tuple[object, ...]]]:
    if call.outcome is not Outcome.DONE:
        return
    if call.opened:
        opened = database.sessions.get(call.opened)
        if opened is None:
            yield "an answered call has opened a session that the database has lost", (call,)
        elif call.op == "login" and opened.user != call.user:
            yield "an answered log-in has another user in the database", (call, opened)
    if call.op == "logout" and call.session:
        row = database.sessions.get(call.session)
        if row is None:
            yield "an answered logout is about a session that the database has lost", (call,)
        elif row.ended_at is not None and (row.reason, row.request) != ("logout", call.request):
            yield "a logout was answered 200, and the session ended by another call", (call, row)


def _lost_passwords(history: History, database: Database) -> list[Violation]:
    done = Counter(call.user for call in history.calls if call.op == "change_password" and call.outcome is Outcome.DONE)
    short = [user for user, count in done.items() if database.password_changes.get(user or "", 0) < count]
    text = "an answered change of a password is not on record"
    return [Violation(2, text, (f"[user {user}: {done[user]} answered]",)) for user in short]


def half_done(history: History, database: Database) -> list[Violation]:
    """Each session's end and each log-in is whole, whether or not it was answered.

    An end has a reason, its refresh token is blacklisted, and services are told; an order counts what it ended; a
    log-in is on record.
    """
    del history
    found = []
    for row in database.sessions.values():
        if row.user is not None and database.logins and row.id not in database.logins:
            found.append(Violation(2, "a log-in is not on record", (row,)))
        if row.ended_at is not None:
            found += [Violation(2, text, (row,)) for text in _missing(row, database)]
    text = "a batch of an order was there without its count"
    found += [Violation(2, text, (run,)) for run in database.miscounted[:1]]
    counts = Counter(row.run for row in database.sessions.values() if row.run)
    for run in database.runs:
        if run.ended != counts[run.id]:
            text = f"an order counts {run.ended} sessions, and has ended {counts[run.id]}"
            found.append(Violation(2, text, (run,)))
        if run.id not in database.orders:
            found.append(Violation(2, "an order is not on record", (run,)))
    return found


def _missing(row: SessionRow, database: Database) -> Iterator[str]:
    if not row.reason:
        yield "a session has ended without a reason"
    if row.refresh in database.outstanding and row.refresh not in database.blacklisted:
        yield "a session has ended, and its refresh token is not blacklisted"
    is_told_by_order = row.run is not None and row.is_cut_off
    if database.told and row.id not in database.told and not is_told_by_order:
        yield "a session has ended, and services are not told"
    if row.reason == "logout" and (row.ended_by != row.user or not row.request):
        yield "a logout is recorded without its user or its request"
    # The order of a bulk run is on record instead.
    if row.reason == "staff" and row.run is None and row.request not in database.acts:
        yield "staff have ended a session, and that is not on record"


def unexplained(history: History, database: Database) -> list[Violation]:
    """A session that was refused is not live, and the call that ended it may have been carried out."""
    found = []
    by_request = {call.request: call for call in history.calls if call.request}
    for call in history.calls:
        if call.outcome is Outcome.REFUSED and call.status == 401 and call.op in BY_TOKEN and call.session:
            row = database.sessions.get(call.session)
            if row is not None and row.ended_at is None and not row.is_cut_off:
                found.append(Violation(2, "a token of a live session was refused", (call, row)))
    for row in database.sessions.values():
        if row.ended_at is None or not row.request:
            continue
        ended_by = by_request.get(row.request)
        # A refresh token that is used twice is refused, and ends its session.
        if ended_by is not None and ended_by.outcome is Outcome.REFUSED and row.reason != "refresh_reused":
            found.append(Violation(2, "a call that was refused has ended a session", (ended_by, row)))
        if ended_by is None and row.reason == "logout":
            found.append(Violation(2, "a session was logged out by a request that nobody sent", (row,)))
    return found
