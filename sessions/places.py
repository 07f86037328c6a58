"""The places that a user knows: devices and networks from which they have logged in recently."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Self
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest

from sessions.models import Session
from sessions.sql.places import PlaceFacts, find_for_login, opened_there
from users.callers import Caller, Found, KnownPlace
from users.clock import database_now
from users.database_use import serve
from users.identities import is_phone_number
from users.login_backend import UserBackend, origin_of
from users.models import DeviceToken, User
from users.origin import Origin
from users.refused_logins import BUDGETS, LOGINS, wait_for
from users.throttling import network_of

KNOWN_FOR = timedelta(days=30)
MOST_PLACES = 1000  # of one user, newest first


@dataclass(frozen=True)
class Place(Caller):
    """A caller whose device may be known, by the session of its registration or by its device token."""

    registration: UUID | None = None
    logged_out: UUID | None = None  # the session whose logout opened `registration`
    device_token: bytes | None = None  # a digest

    @classmethod
    def of(cls, origin: Origin, *, session: Session | None = None, device_token: str | None = None) -> Self:
        """Return the place that a request came from. ``session`` is that of the request's token, if it has one."""
        registration = logged_out = None
        if session is not None:
            registration, logged_out = session.opened_from_id, None
            if session.is_app_level:
                registration, logged_out = session.pk, session.opened_from_id
        return cls(
            ip=origin.ip,
            origin=origin,
            registration=registration,
            logged_out=logged_out,
            device_token=DeviceToken.digest_of(device_token) if device_token else None,
        )

    def find_by_username(self, username: str) -> Found:
        return self._find(username=username)

    def find_by_identity(self, identity: str) -> Found:
        kind = "phone_number" if is_phone_number(identity) else "email"
        return self._find(username=identity, **{kind: identity})

    def _find(self, *, username: str, email: str | None = None, phone_number: str | None = None) -> Found:
        """Find the user, and whether they know this place, in one statement. It is the same for unknown users."""
        name, reasons = User.normalize_username(username), [reason.value for reason in BUDGETS[LOGINS]]
        found = find_for_login(username=name, email=email, phone_number=phone_number, reasons=reasons, **self._facts)
        if found.user is not None:
            serve(found.user.pk)  # the next steps may wait for a lock on this user's rows
        if not settings.THROTTLING:
            return Found(found.user)
        closed = wait_for(LOGINS, failed=found.failed, seconds_left=found.seconds_left)
        return Found(found.user, self._first_known(found.user, found.opened_there), closed)

    def known_place(self, user: User | None) -> KnownPlace | None:
        return self._first_known(user, opened_there(user_id=user.pk if user else "", **self._facts))

    @property
    def _facts(self) -> PlaceFacts:
        return {
            "registration": self.registration,
            "logged_out": self.logged_out,
            "device_token": self.device_token,
            "network": self.network or None,
            "known_for": KNOWN_FOR,
        }

    def _first_known(self, user: User | None, opened: tuple[bool, ...]) -> KnownPlace | None:
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
    """Return the three places of a session, in the order of `opened_there`."""
    return [
        KnownPlace(user, f"registration {registration}"),
        KnownPlace(user, f"device token {bytes(device_token or b'').hex()}"),
        KnownPlace(user, f"network {network}", is_network=True),
    ]


class PlaceBackend(UserBackend):
    """Django's log-in backend for the admin. It also checks whether the user knows the caller's place."""

    def caller(self, request: HttpRequest | None) -> Caller:
        return Place.of(origin_of(request))
