"""Places that a user knows: devices and networks from which they have logged in of late."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Self
from uuid import UUID

from django.db import connection
from django.http import HttpRequest

from sessions.models import Session
from sessions.origin import Origin
from users.callers import Caller, KnownPlace
from users.clock import database_now
from users.credentials import UserBackend
from users.models import DeviceToken, User
from users.throttling import network_of

KNOWN_FOR = timedelta(days=30)
MOST_PLACES = 1000  # of one user, newest first

# Each column: whether a session of the user was opened there. A session that was opened from a registration is on
# the very device that registered itself; a device's `unique_id` is no secret and proves nothing.
_OPENED_THERE = """
   SELECT COALESCE(bool_or(s.opened_from_id = %(registration)s OR s.id = %(logged_out)s), false),
          COALESCE(bool_or(t.digest = %(device_token)s), false),
          COALESCE(bool_or(s.ip <<= %(network)s::inet), false)
     FROM user_sessions_session s
LEFT JOIN users_devicetoken t ON t.id = s.device_token_id
    WHERE s.user_id = %(user)s AND s.created_at > (SELECT clock_timestamp()) - %(known_for)s
"""


@dataclass(frozen=True)
class Place(Caller):
    """A caller whose device may be known: by the session it was registered with, or by its device token's digest."""

    registration: UUID | None = None
    logged_out: UUID | None = None  # the session whose logout opened `registration`
    device_token: bytes | None = None

    @classmethod
    def of(cls, origin: Origin, *, session: Session | None = None, device_token: str | None = None) -> Self:
        """The place that a request came from; ``session`` is that of its token, if it has one."""
        registration = logged_out = None
        if session is not None:
            registration, logged_out = session.opened_from_id, None
            if session.is_app_level:
                registration, logged_out = session.pk, session.opened_from_id
        return cls(
            ip=origin.ip,
            registration=registration,
            logged_out=logged_out,
            device_token=DeviceToken.digest_of(device_token) if device_token else None,
        )

    def known_place(self, user: User | None) -> KnownPlace | None:
        facts: dict[str, Any] = {
            "user": user.pk if user else "",
            "registration": self.registration,
            "logged_out": self.logged_out,
            "device_token": self.device_token,
            "network": self.network or None,
            "known_for": KNOWN_FOR,
        }
        with connection.cursor() as cursor:
            cursor.execute(_OPENED_THERE, facts)
            opened = cursor.fetchone()
        if user is None:
            return None
        places = _places(user, self.registration, self.device_token, self.network)
        return next((place for place, known in zip(places, opened, strict=True) if known), None)

    def all_places(self, user: User) -> list[KnownPlace]:
        since = database_now() - KNOWN_FOR
        sessions = Session.objects.filter(user=user, created_at__gt=since).order_by("-created_at")
        facts = sessions.values_list("opened_from_id", "device_token__digest", "ip")[:MOST_PLACES]
        return [place for row in set(facts) for place in _places(user, row[0], row[1], network_of(row[2]))]


def _places(
    user: User, registration: UUID | None, device_token: bytes | memoryview | None, network: str
) -> list[KnownPlace]:
    """In the order of the statement's columns."""
    return [
        KnownPlace(user, f"registration {registration}"),
        KnownPlace(user, f"device token {bytes(device_token or b'').hex()}"),
        KnownPlace(user, f"network {network}", is_network=True),
    ]


class PlaceBackend(UserBackend):
    """Django's log-in (the admin), where staff have places that they know."""

    def caller(self, request: HttpRequest | None) -> Caller:
        return Place(ip=getattr(request, "client_ip", None))
