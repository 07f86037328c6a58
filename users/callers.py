"""Where an attempt comes from, and whether the user knows that place.

Attempts from unknown places can use up the allowances of strangers, but not a user's allowance on their own devices and
networks. `sessions.places` finds these. This package does not know sessions.
"""

from dataclasses import dataclass
from typing import Any

from django.conf import settings

from users.errors import TooManyAttempts
from users.identities import find_user_by_identity, find_user_by_username
from users.models import User
from users.origin import NOWHERE, Origin
from users.record.events import Event
from users.record.writing import record
from users.refused_logins import LOGINS, find_wait
from users.throttling import Allowance, network_of


@dataclass(frozen=True)
class KnownPlace:
    """A device or a network from which ``user`` has logged in recently."""

    user: User
    key: str
    is_network: bool = False

    def allowance(self, name: str) -> Allowance:
        """Return the user's allowance at this place. It is separate from the strangers' allowances."""
        return Allowance(name, f"{self.user.pk}\0{self.key}")


@dataclass(frozen=True)
class Found:
    """What is looked up before the password of a log-in is checked."""

    user: User | None
    place: KnownPlace | None = None
    closed: TooManyAttempts | None = None  # the error for strangers while this hour's budget is used up


@dataclass(frozen=True)
class Caller:
    """Where an attempt comes from. In this base class every place is unknown. Subclasses look for known places."""

    ip: str | None = None
    origin: Origin = NOWHERE

    def record(self, event: Event, user: User | None, **details: Any) -> None:
        """Write an entry about an attempt of this caller on ``user``'s account; None: an unknown one."""
        record(event, user=user, origin=self.origin, **details)

    def record_lock_out(self, error: TooManyAttempts, user: User | None) -> None:
        """Write an entry, if ``error`` is the first refusal since an allowance was used up.

        An attack would fill the table if there were one for each attempt.
        """
        if error.used_up:
            self.record(Event.LOCKED_OUT, user, allowance=error.used_up)

    @property
    def network(self) -> str:
        return network_of(self.ip)

    def find_by_username(self, username: str) -> Found:
        """Look up a log-in with that user name: the user, and whether the caller's place is known."""
        return self._found(find_user_by_username(username))

    def find_by_identity(self, identity: str) -> Found:
        """Look up a log-in with that email, phone number or user name."""
        return self._found(find_user_by_identity(identity))

    def known_place(self, user: User | None) -> KnownPlace | None:
        """Return the caller's place, if ``user`` knows it. For None, an unknown user, it does the same work."""
        return None

    def all_places(self, user: User) -> list[KnownPlace]:
        """Return every place that ``user`` knows, whether or not the caller is there."""
        return []

    def _found(self, user: User | None) -> Found:
        # Look everything up for unknown users, too, so that the time it takes reveals nothing.
        return Found(user, self.known_place(user), find_wait(LOGINS)) if settings.THROTTLING else Found(user)
