"""Hand-made histories for the checker's own tests. Times are whole seconds."""

from typing import Any

from tests.history.database import AddressRow, Database, SessionRow, digest_of
from tests.history.history import Call, Disturbance, Ends, History, Outcome

SECOND = 1_000_000_000


def call(op: str, began: float, ended: float | None, outcome: Outcome, **facts: Any) -> Call:
    status = {Outcome.REFUSED: 401, Outcome.UNAVAILABLE: 503}.get(outcome, 200)
    known = {"status": None if ended is None else status, "dialect": "zap", "user": "ann"} | facts
    until = None if ended is None else round(ended * SECOND)
    return Call(op=op, began=round(began * SECOND), ended=until, outcome=outcome, **known)


def login(began: float, ended: float | None, opened: str | None = "s1", **facts: Any) -> Call:
    outcome = Outcome.UNKNOWN if ended is None else Outcome.DONE
    return call("login", began, ended, outcome, opened=opened, **facts)


def logout(began: float, ended: float | None, outcome: Outcome = Outcome.DONE, **facts: Any) -> Call:
    return call("logout", began, ended, outcome, **{"session": "s1", "ends": Ends.THIS, "request": "r1"} | facts)


def read(began: float, ended: float | None, outcome: Outcome = Outcome.ACCEPTED, **facts: Any) -> Call:
    return call("read", began, ended, outcome, **{"session": "s1"} | facts)


def push_check(began: float, ended: float, *, user: str = "ann", allowed: bool = True) -> Call:
    outcome = Outcome.ACCEPTED if allowed else Outcome.REFUSED
    return call("push_check", began, ended, outcome, user=user, device_token="phone", dialect="services")


def away(began: float, ended: float, *, slowest_probe: float = 0.0, disturbs: str = "database") -> Disturbance:
    return Disturbance(
        act="stop the database",
        disturbs=disturbs,
        began=round(began * SECOND),
        ended=round(ended * SECOND),
        slowest_probe=round(slowest_probe * SECOND),
    )


def history(*entries: Any) -> History:
    made = History()
    for each in entries:
        made.add(each)
    return made


LIVE = SessionRow(id="s1", user="ann", refresh="t1")
ENDED = SessionRow(
    id="s1", user="ann", refresh="t1", ended_at="2026-01-01", reason="logout", ended_by="ann", request="r1"
)


def database(*sessions: SessionRow, **facts: Any) -> Database:
    """A database in which everything about ``sessions`` is whole, except for what ``facts`` say."""
    ids = {row.id for row in sessions}
    ended = {row.id for row in sessions if row.ended_at}
    whole = {
        "outstanding": {row.refresh for row in sessions if row.refresh},
        "blacklisted": {row.refresh for row in sessions if row.ended_at and row.refresh},
        "logins": ids | {"another"},
        "told": ended | {"another"},
        "acts": {row.request for row in sessions if row.ended_at},
    }
    return Database(sessions={row.id: row for row in sessions}, **whole | facts)


def address(*, user: str | None, held_by: str | None = "s1", text: str = "phone") -> AddressRow:
    return AddressRow(id=1, digest=digest_of(text), user=user, held_by=held_by)
