"""What the clients share: users with their passwords, devices, and the tokens of sessions, live and dead.

Many clients use one session, as a thief or a second thread of an app would. So logouts, refreshes and reads of one
session overlap.
"""

import random
from collections import deque
from dataclasses import dataclass, field
from threading import Lock

RECENTLY = 40  # dead sessions whose tokens are tried again and again


@dataclass
class User:
    id: str
    name: str
    # The passwords that may be right: several after a change without an answer. The text is also the label: it opens
    # nothing but a user of this run.
    passwords: list[str]
    changing: Lock = field(default_factory=Lock)

    @property
    def email(self) -> str:
        return f"{self.name}@example.org"


@dataclass
class Session:
    id: str
    user: User
    dialect: str
    access: str
    refresh: str = ""
    device_token: str | None = None
    refreshing: Lock = field(default_factory=Lock)


@dataclass
class Device:
    """A phone with Buddy's app. One client at a time acts on it."""

    unique_id: str
    device_token: str
    app_token: str = ""
    app_session: str | None = None
    busy: Lock = field(default_factory=Lock)


class Wallet:
    def __init__(self, *, addresses: int, devices: int) -> None:
        self.users: list[User] = []
        self.addresses = [f"address {number} of a phone" for number in range(addresses)]
        self.devices = [Device(f"device-{n}", f"address of device {n}") for n in range(devices)]
        # Users who have logged in with an address lately: a push sender asks about them.
        self.seen: deque[tuple[str, str]] = deque(maxlen=60)
        self.live: dict[str, Session] = {}
        self.dead: deque[Session] = deque(maxlen=RECENTLY)
        self._lock = Lock()

    def add(self, session: Session) -> None:
        with self._lock:
            self.live[session.id] = session
        if session.device_token:
            self.seen.append((session.device_token, session.user.id))

    def bury(self, session: Session) -> None:
        """Note that a session seems to be dead. Its tokens go on being tried."""
        with self._lock:
            if self.live.pop(session.id, None) is not None:
                self.dead.append(session)

    def pick(self, rng: random.Random, *, dead_in: int = 0) -> Session | None:
        """Return any live session; once in ``dead_in`` times a dead one. None, if there is none."""
        with self._lock:
            if dead_in and self.dead and not rng.randrange(dead_in):
                return rng.choice(self.dead)
            return self.live[rng.choice(list(self.live))] if self.live else None

    def sessions_of(self, user: User) -> list[Session]:
        with self._lock:
            return [each for each in self.live.values() if each.user is user]
