"""How far a rotation of the signing keys has come, and whether its next step would harm somebody."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django.db.models import Max, Q
from django.template.defaultfilters import pluralize

from sessions.liveness import live_sessions
from sessions.models import RunningServer, Session, SigningKey
from sessions.rotation import times
from sessions.rotation.ring import kids_in, kids_that_can_sign
from users.clock import database_now
from users.models import App

_LOOK_EVERY = 0.5  # seconds


class Step(StrEnum):
    """A step of a rotation, in its order. The names are words of the command line: add, never rename."""

    ADD = "add"
    SIGN = "sign"
    DROP = "drop"


@dataclass(frozen=True)
class Tokens:
    """The live sessions whose tokens an old key may have signed."""

    count: int
    until: datetime | None  # when the last of them expires


@dataclass(frozen=True)
class State:
    """The keys of this environment, what the servers have, and the database's time.

    A silent server was killed, or it can't reach the database. A server that stops in order is not listed.
    """

    kids: list[str]
    new: list[str]  # they don't sign here yet
    old: list[str]  # they don't sign here any more
    servers: list[RunningServer]  # those that run
    silent: list[RunningServer]
    known: dict[str, SigningKey]
    now: datetime

    @property
    def signing(self) -> str:
        return self.kids[0]

    @property
    def next(self) -> Step:
        """The next step. A key that waits to sign comes before an old one that waits to go."""
        return Step.SIGN if self.new else Step.DROP if self.old else Step.ADD


def read_state(pem: str) -> State:
    """Read the state for the keys in ``pem``. Raises: BadSigningKeys."""
    kids, can_sign, now = kids_in(pem), kids_that_can_sign(pem), database_now()
    known = {key.kid: key for key in SigningKey.objects.all()}
    new = [kid for kid in kids[1:] if kid in can_sign and _is_newer(kid, kids[0], known)]
    servers = list(RunningServer.objects.order_by("name", "started_at"))
    return State(
        kids=kids,
        new=new,
        old=[kid for kid in kids[1:] if kid not in new],
        servers=[server for server in servers if server.seen_at > now - times.SILENT],
        silent=[server for server in servers if server.seen_at <= now - times.SILENT],
        known=known,
        now=now,
    )


def wait_for_silent(state: State) -> None:
    """Wait until each silent server has told again which keys it has, or would have done so if it ran.

    After an outage of the database, or of the network, all servers are silent although they run. The database's clock
    decides how long this takes.
    """
    silent = RunningServer.objects.filter(pk__in=[server.pk for server in state.silent], seen_at__lte=state.now)
    while silent.exists() and database_now() - state.now < times.TOLD_WITHIN:
        time.sleep(_LOOK_EVERY)


def _is_newer(kid: str, first: str, known: dict[str, SigningKey]) -> bool:
    """Return whether the servers got the key later than the first one, or don't have it yet.

    Two keys with the same time are older than this table. Then the second one is an old key, which has signed.
    """
    key, signing = known.get(kid), known.get(first)
    if key is None:
        return True
    if signing is None or key.published_at is None or signing.published_at is None:
        return False
    return key.published_at > signing.published_at


def objections(step: Step, state: State, *, caches: timedelta) -> list[str]:
    """Return why the step would log users out or break other servers or services, in sentences. Empty: it is safe.

    Args: caches: how long other services keep the keys that they have fetched.
    """
    return [*_missing_here(state), *_OBJECTIONS[step](state, caches)]


def tokens_of(kids: Iterable[str], state: State) -> Tokens:
    """Count the live sessions whose tokens one of these keys may have signed."""
    opened = Q()
    for kid in kids:
        key = state.known.get(kid)
        # If it is unknown until when the key signed, it may have signed every token before the present key.
        until = (key.signed_until or key.published_at) if key else state.now
        opened |= Q(created_at__lte=until or state.now)
    by_tokens = Session.objects.filter(opened, app__kind=App.Kind.CLIENT)
    found = live_sessions(by_tokens, now=state.now)
    return Tokens(found.count(), found.aggregate(last=Max("expires_at"))["last"])


def _missing_here(state: State) -> list[str]:
    return [
        f"The server {server.name} has a key that SIGNING_KEYS lacks here. Copy its keys to here, or restart it with"
        " the keys of this environment."
        for server in state.servers
        if not set(server.kids) <= set(state.kids) | _leaked(state)
    ]


def _leaked(state: State) -> set[str]:
    return {key.kid for key in state.known.values() if key.leaked_at is not None}


def _against_adding(state: State, caches: timedelta) -> list[str]:
    return [f"A rotation is not finished: its next step is `{state.next}`."] if len(state.kids) > 1 else []


def _against_signing(state: State, caches: timedelta) -> list[str]:
    (new,) = state.new[-1:]
    if not state.servers:
        return ["No server runs, so no service could fetch the new key. Start the servers with it first."]
    late = [server for server in state.servers if new not in server.kids]
    if late:
        return [
            f"The server {server.name} does not have the new key yet, and would refuse its tokens. Restart it with the"
            " keys of this environment."
            for server in late
        ]
    if any(server.kids[0] == new for server in state.servers):
        return []  # it signs already: this is the environment of another server
    fetched = max(server.started_at for server in state.servers) + caches
    if state.now < fetched:
        return [f"Other services may still have only the earlier keys. Wait until {_time(fetched)}."]
    return []


def _against_dropping(state: State, caches: timedelta) -> list[str]:
    found = [
        f"The server {server.name} still signs with the old key. Restart it with the keys of this environment."
        for server in state.servers
        if server.kids[0] in state.old
    ]
    found += [
        f"The server {server.name} signed with the old key, was not stopped in order, and has been silent since"
        f" {_time(server.seen_at)}. If it can't reach the database, it still has that key. If it runs no longer, use"
        " --force, or wait: it is forgotten after a day."
        for server in state.silent
        if server.kids[0] in state.old
    ]
    tokens = tokens_of(state.old, state)
    if tokens.count and tokens.until:
        found.append(
            f"{tokens.count} live session{pluralize(tokens.count)} may have tokens that the old key signed. They would"
            f" be logged out. The last one ends at {_time(tokens.until)} at the latest."
        )
    return found


_OBJECTIONS = {Step.ADD: _against_adding, Step.SIGN: _against_signing, Step.DROP: _against_dropping}


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"
