"""Which sessions are meant: filters that combine, written down so that they can be compared and run again.

Each kind of filter narrows; several values of one kind widen that kind alone. No filter is an error, never
"all": that has a word of its own.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from functools import reduce
from ipaddress import ip_network
from operator import or_
from typing import Any, Self
from uuid import UUID

from django.db.models import GenericIPAddressField, Lookup, Q, QuerySet

from sessions.models import Session
from users.addresses import plain_network
from users.models import Device, DeviceToken, User, is_object_id
from users.permissions import NOT_OF_SUPERUSERS


class SelectionError(ValueError):
    """The text says which filter is wrong, and how."""


@GenericIPAddressField.register_lookup
class Within(Lookup):
    """`ip__within="192.0.2.0/24"`: an address in that network (PostgreSQL's `<<=`)."""

    lookup_name = "within"
    prepare_rhs = False

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        column, parameters = compiler.compile(self.lhs)  # not as text, as Django's own lookups have it
        return f"{column} <<= %s::inet", (*parameters, self.rhs)


@dataclass(frozen=True)
class Selection:
    """A set of sessions by what they have in common. What is None does not matter.

    `users`, `apps` and `sessions` are ids, `device_tokens` digests in hex, `networks` in CIDR form.
    """

    everyone: bool = False
    users: tuple[str, ...] | None = None
    apps: tuple[str, ...] | None = None
    platforms: tuple[str, ...] | None = None
    device_tokens: tuple[str, ...] | None = None
    networks: tuple[str, ...] | None = None
    roles: tuple[str, ...] | None = None
    reasons: tuple[str, ...] | None = None
    sessions: tuple[str, ...] | None = None
    created_before: datetime | None = None
    created_after: datetime | None = None
    seen_before: datetime | None = None
    seen_after: datetime | None = None
    idle_for: timedelta | None = None
    search: str | None = None
    # Not a filter, either: what a record of endings named, which `sessions.restore.undo` reads.
    record: str | None = None
    # Not a filter that anybody asks for: what staff who are none themselves may end.
    spare_superusers: bool = False

    def __post_init__(self) -> None:
        given = [name for name in self._given() if name != "spare_superusers"]
        if not given:
            raise SelectionError("No filter is given. All sessions are meant by --everyone only.")
        if self.everyone and len(given) > 1:
            raise SelectionError("--everyone goes with no other filter.")
        for network in self.networks or ():
            try:
                plain_network(network)
            except ValueError as error:
                raise SelectionError(f"No address and no network: {error}.") from error
        if self.idle_for is not None and not timedelta(0) <= self.idle_for <= LONGEST_IDLE:
            raise SelectionError(f"Nobody is idle for {self.idle_for}; {LONGEST_IDLE.days} days is the most.")

    def queryset(self, *, now: datetime) -> QuerySet[Session]:
        """The sessions, live and ended ones; ``now`` is what `idle_for` counts from."""
        return Session.objects.filter(*self.rules(now))

    def rules(self, now: datetime) -> Iterator[Q]:
        """The same as conditions; all of them have to hold."""
        if self.users is not None:
            yield Q(user__in=self.users)
        if self.apps is not None:
            yield Q(app__in=self.apps)
        if self.platforms is not None:
            yield _any(Q(platform__iexact=platform) for platform in self.platforms)
        if self.device_tokens is not None:
            yield Q(device_token__digest__in=[bytes.fromhex(digest) for digest in self.device_tokens])
        if self.networks is not None:
            yield _any(Q(ip__within=str(ip_network(network))) for network in self.networks)
        if self.roles is not None:
            yield Q(user__role_id__in=self.roles)
        if self.reasons is not None:
            yield Q(end_reason__in=self.reasons)
        if self.sessions is not None:
            yield Q(pk__in=self.sessions)
        if self.created_before is not None:
            yield Q(created_at__lt=self.created_before)
        if self.created_after is not None:
            yield Q(created_at__gte=self.created_after)
        if self.seen_before is not None:
            yield Q(last_seen_at__lt=self.seen_before)
        if self.seen_after is not None:
            yield Q(last_seen_at__gte=self.seen_after)
        if self.idle_for is not None:
            yield Q(last_seen_at__lte=now - self.idle_for)
        if self.search is not None:
            yield matching(self.search)
        if self.record is not None:
            yield Q(pk__in=())
        if self.spare_superusers:
            yield NOT_OF_SUPERUSERS

    @property
    def cuts_off(self) -> bool:
        """Whether an instant written on the apps or on a few users refuses all of it at once."""
        kinds = set(self._given()) - {"created_before"}  # by itself it is for all apps
        few = self.users is None or len(self.users) <= MOST_CUT_OFF
        # Users can be spared one by one; an app's cut-off would be everybody's.
        if self.users is not None:
            kinds -= {"spare_superusers"}
        return kinds in (set(), {"everyone"}, {"apps"}) or (kinds == {"users"} and few)

    def as_json(self) -> dict[str, Any]:
        """What is given, in the form that is kept; `from_json` reads it."""
        return {name: _plain(getattr(self, name)) for name in self._given()}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        made: dict[str, Any] = {}
        for name, value in data.items():
            if name in ("created_before", "created_after", "seen_before", "seen_after"):
                made[name] = datetime.fromisoformat(value)
            elif name == "idle_for":
                made[name] = timedelta(seconds=value)
            else:
                made[name] = tuple(value) if isinstance(value, list) else value
        return cls(**made)

    def fingerprint(self) -> str:
        """The same for the same filters in whatever order: 16 hex digits."""
        text = json.dumps(self.as_json(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def _given(self) -> list[str]:
        return [field.name for field in fields(self) if getattr(self, field.name) not in (None, False)]


# More users than that are not one write any more; they are swept.
MOST_CUT_OFF = 1000
# There are years that long ago; there was no service.
LONGEST_IDLE = timedelta(days=36_500)


def matching(text: str) -> Q:
    """The sessions that a search for ``text`` finds.

    The text is a user's name, email, phone number or id, a session's id, an address or a network, a device's id, or a
    device token. Resolve to ids first, by index: an OR of subqueries would scan every session.
    """
    text, rules = text.strip(), []
    if not text or "\0" in text:
        return Q(pk__in=())
    token = DeviceToken.objects.filter(digest=DeviceToken.digest_of(text)).values_list("pk", flat=True).first()
    if token is not None:
        rules.append(Q(device_token=token))
    if (session := _uuid(text)) is not None:
        rules.append(Q(pk=session))
    elif (network := _network(text)) is not None:
        rules.append(Q(ip__within=network))
    elif is_object_id(text):
        rules += [Q(device=text)] if Device.objects.filter(pk=text).exists() else [Q(user=text)]
    else:
        rules += _of_named(text)
    return _any(rules)


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _network(text: str) -> str | None:
    try:
        return plain_network(text, strict=False)
    except ValueError:
        return None


def _of_named(text: str) -> list[Q]:
    named = Q(username__istartswith=text) | Q(email__istartswith=text) | Q(phone_number=text)
    users = User.objects.filter(named).values_list("pk", flat=True)
    found = list(users[: MOST_NAMED + 1])
    if len(found) > MOST_NAMED:  # many sessions will do, so that the first page is found soon
        return [Q(user__in=users)]
    return [Q(user__in=found)] if found else []


# More users than that are left to a subquery.
MOST_NAMED = 1000


def _any(rules: Iterable[Q]) -> Q:
    return reduce(or_, rules, Q(pk__in=()))


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    return sorted(set(value)) if isinstance(value, tuple) else value
