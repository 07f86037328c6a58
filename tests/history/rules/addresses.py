"""Rule 3, push addresses: one user at a time, and none after the end of the last session."""

from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass

from tests.history.database import Database, digest_of
from tests.history.history import Call, History, Outcome
from tests.history.rules.replay import killers
from tests.history.violation import Violation

_NEVER = 1 << 62


@dataclass(frozen=True, slots=True)
class _Stay:
    """A log-in of a user with a push address, and the call whose answer proved that its session was dead."""

    login: Call
    killer: Call | None

    @property
    def since(self) -> int:
        return _NEVER if self.login.ended is None else self.login.ended


def pushed_to_another(history: History, database: Database) -> list[Violation]:
    """A push is allowed only for a user who may hold the address at that moment.

    Such a user has logged in with it; that session is not known to be dead when the check begins; and no other user's
    later log-in with it was answered before.
    """
    stays, takers = _stays(history, database), _takers(history)
    found = []
    for call in history.calls:
        if call.op != "push_check" or call.outcome is not Outcome.ACCEPTED or call.ended is None:
            continue
        over = None
        for stay in reversed(stays[call.device_token, call.user]):  # the newest ones are the likely ones
            if stay.login.began < call.ended:
                over = _why_over(stay, call, takers[call.device_token])
                if over is None:
                    break
        else:
            proof = (over,) if over else ()
            found.append(Violation(3, "a push was allowed for a user who does not have the address", (*proof, call)))
    return found


class _Takers:
    """The log-ins that took one address from other users for certain, to be searched by time."""

    def __init__(self) -> None:
        self._ends: list[int] = []
        # Among the log-ins answered so far: the one that began last, and the last one of another user.
        self._latest: list[tuple[Call, Call | None]] = []

    def add(self, call: Call) -> None:
        """Add a log-in. They come in the order of their answers."""
        first, second = self._latest[-1] if self._latest else (call, None)
        if call.began >= first.began:
            first, second = call, second if call.user == first.user else first
        elif call.user != first.user and (second is None or call.began > second.began):
            second = call
        self._ends.append(call.ended or 0)
        self._latest.append((first, second))

    def before(self, moment: int, *, not_of: str | None) -> Call | None:
        """Return the log-in of another user that began last, among those answered before ``moment``."""
        number = bisect_left(self._ends, moment)
        if not number:
            return None
        first, second = self._latest[number - 1]
        return first if first.user != not_of else second


def _why_over(stay: _Stay, check: Call, takers: _Takers) -> Call | None:
    """Return the call that proves that the stay was over before ``check`` began, or None."""
    if stay.killer is not None and (stay.killer.ended or _NEVER) < check.began:
        return stay.killer
    taker = takers.before(check.began, not_of=check.user)
    return taker if taker is not None and stay.since < taker.began else None


def _stays(history: History, database: Database) -> dict[tuple[str | None, str | None], list[_Stay]]:
    dead = killers(history)
    known = {call.opened for call in history.calls}
    unclaimed = {(row.user, row.address) for row in database.sessions.values() if row.id not in known}
    keys = {row.digest: row.id for row in database.addresses}
    found: dict[tuple[str | None, str | None], list[_Stay]] = defaultdict(list)
    for call in history.calls:
        if call.op != "login" or not call.device_token or call.outcome is Outcome.REFUSED:
            continue
        if call.outcome.is_open and (call.user, keys.get(digest_of(call.device_token))) not in unclaimed:
            continue  # it was not carried out: it has opened no session
        found[call.device_token, call.user].append(_Stay(call, dead.get(call.opened or "")))
    return found


def _takers(history: History) -> dict[str | None, _Takers]:
    # In Buddy, a user who is logged in on a device keeps its address.
    done = [call for call in history.calls if call.op == "login" and call.outcome is Outcome.DONE]
    found = defaultdict[str | None, _Takers](_Takers)
    for call in sorted(done, key=lambda call: call.ended or 0):
        if call.device_token and call.dialect != "buddy":
            found[call.device_token].add(call)
    return found


def left_behind(history: History, database: Database) -> list[Violation]:
    """In the database, an address belongs to the user of a session that has not ended, or to nobody."""
    del history
    text = "an address still belonged to a user after their session had ended"
    found = [Violation(3, text, (row,)) for row in database.left_behind[:1]]
    for row in database.addresses:
        if row.user is None or row.held_by is None:
            continue
        holder = database.sessions.get(row.held_by)
        if holder is None:
            found.append(Violation(3, "an address is held by a session that does not exist", (row,)))
        elif holder.user != row.user:
            found.append(Violation(3, "an address belongs to one user and is held by another's session", (row, holder)))
        elif holder.ended_at is not None:
            found.append(Violation(3, "an address still belongs to a user whose session has ended", (row, holder)))
    return found
