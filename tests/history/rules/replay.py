"""Replay a history in the order of time: which sessions are certainly dead when a call begins, and why.

This takes one pass, which looks at each call when it begins and when it ends. An order for many sessions also looks at
the sessions that it ends, each of them once: dead sessions are not looked at again.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from tests.history.history import Call, Ends, History, Outcome

# Calls that send a token of `session`. Their refusal proves that the session is dead.
BY_TOKEN = frozenset({"read", "refresh", "logout", "logout_others", "logout_all", "change_password", "change_device"})


@dataclass(frozen=True, slots=True)
class Ended:
    """A call with its answer, and what was proved before the call began.

    Args:
        killer: the earlier call that proved that the session whose token was sent was dead.
        retired: the earlier call that replaced the password that was sent.
    """

    call: Call
    killer: Call | None
    retired: Call | None


def replay(history: History) -> Iterator[Ended]:
    """Yield each answered call, in the order of the answers."""
    world, before = _World(), dict[int, tuple[Ended, set[str]]]()
    for _, is_end, number in _moments(history.calls):
        call = history.calls[number]
        if not is_end:
            killer, retired = world.killers.get(call.session or ""), world.retired.get(call.token or "")
            before[number] = Ended(call, killer=killer, retired=retired), world.sessions_of(call)
            continue
        found, sessions = before.pop(number)
        yield found
        world.answer(call, sessions)


def killers(history: History) -> dict[str, Call]:
    """Return the call whose answer first proved a session dead, for each such session."""
    world, before = _World(), dict[int, set[str]]()
    for _, is_end, number in _moments(history.calls):
        call = history.calls[number]
        if is_end:
            world.answer(call, before.pop(number))
        else:
            before[number] = world.sessions_of(call)
    return world.killers


def _moments(calls: list[Call]) -> list[tuple[int, bool, int]]:
    """All beginnings and answers, in order. At one instant the beginnings come first: such calls overlap."""
    began = [(call.began, False, number) for number, call in enumerate(calls)]
    return sorted(began + [(call.ended, True, number) for number, call in enumerate(calls) if call.ended is not None])


class _World:
    """The facts that the answers so far have proved."""

    def __init__(self) -> None:
        self.killers: dict[str, Call] = {}
        self.retired: dict[str, Call] = {}
        self._live: dict[str | None, set[str]] = defaultdict(set)
        self._bound: dict[tuple[str | None, str | None], set[str]] = defaultdict(set)
        self._places: dict[str, list[set[str]]] = defaultdict(list)

    def sessions_of(self, call: Call) -> set[str]:
        """The sessions that ``call`` ends for certain, if it is carried out: their log-ins were answered before it."""
        if call.ends is Ends.EVERYONE:
            return set().union(*self._live.values())
        if call.ends is Ends.USER:
            return set(self._live[call.user])
        if call.ends is Ends.OTHERS:
            return self._live[call.user] - {call.session or ""}
        one = call.target if call.ends is Ends.TARGET else call.session if call.ends else None
        ended = {one} if one else set()
        return ended | self._bound[call.user, call.device_token] if call.ends is Ends.ADDRESS else ended

    def answer(self, call: Call, sessions: set[str]) -> None:
        if call.outcome is Outcome.DONE:
            for each in sessions:
                self._kill(each, call)
            if call.opened:
                self._open(call, call.opened)
            if call.op == "change_password" and call.token:
                self.retired.setdefault(call.token, call)
        elif call.outcome is Outcome.REFUSED and call.op in BY_TOKEN and call.status == 401 and call.session:
            self._kill(call.session, call)

    def _open(self, call: Call, session: str) -> None:
        if session in self.killers:
            return
        is_users = call.op == "login"  # a registration and a logout of Buddy open app-level ones
        places = [self._live[call.user if is_users else None]]
        if is_users and call.device_token:
            places.append(self._bound[call.user, call.device_token])
        for each in places:
            each.add(session)
        self._places[session] += places

    def _kill(self, session: str, by: Call) -> None:
        self.killers.setdefault(session, by)
        for place in self._places.pop(session, ()):
            place.discard(session)
