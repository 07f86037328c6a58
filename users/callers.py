"""Who tries something, and whether it comes from a place that the user knows.

Strangers can use up what strangers are allowed, but not what a user is allowed on their own devices and
networks. `sessions.places` finds these; nothing here knows of sessions.
"""

from dataclasses import dataclass

from users.models import User
from users.throttling import Allowance, network_of


@dataclass(frozen=True)
class KnownPlace:
    """A device or a network from which ``user`` has logged in of late."""

    user: User
    key: str
    is_network: bool = False

    def allowance(self, name: str) -> Allowance:
        """What the user is allowed there, apart from what strangers are."""
        return Allowance(name, f"{self.user.pk}\0{self.key}")


@dataclass(frozen=True)
class Caller:
    """Where an attempt comes from. This one is a stranger to everybody; subclasses look for known places."""

    ip: str | None = None

    @property
    def network(self) -> str:
        return network_of(self.ip)

    def known_place(self, user: User | None) -> KnownPlace | None:
        """The place, if ``user`` knows it. It costs the same for None, which is an unknown user."""
        return None

    def all_places(self, user: User) -> list[KnownPlace]:
        """Every place that ``user`` knows, the caller's or not."""
        return []
