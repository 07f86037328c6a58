"""A selection: the sessions that an order means. Its filters are stored, so that orders can be compared and repeated.

Each filter narrows the selection; several values of one filter widen that filter only. A selection without filters is
an error. Only `everyone` means all sessions.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from django.db.models import Q, QuerySet

from sessions.models import Session
from sessions.selection.errors import SelectionError
from sessions.selection.filters import FILTERS, Filters

# The sessions of more users than this are not refused by one write; they are ended in batches only.
MOST_CUT_OFF = 1000


@dataclass(frozen=True)
class Selection(Filters):
    """The sessions that match all given filters. Raises: SelectionError, if the filters are wrong or missing."""

    def __post_init__(self) -> None:
        names = self.given().keys() - {"spare_superusers"}
        if not names:
            raise SelectionError("No filter is given. To select all sessions, use --everyone.")
        if self.everyone and len(names) > 1:
            raise SelectionError("--everyone can't be combined with another filter.")
        for name, value in self.given().items():
            FILTERS[name].check(value)

    def given(self) -> dict[str, Any]:
        """Return the values of the filters that are given, by name."""
        values = {name: getattr(self, name) for name in FILTERS}
        return {name: value for name, value in values.items() if value not in (None, False)}

    def queryset(self, *, now: datetime) -> QuerySet[Session]:
        """Return the sessions, live and ended ones. `idle_for` is measured up to ``now``."""
        return Session.objects.filter(*self.rules(now))

    def rules(self, now: datetime) -> Iterator[Q]:
        """Yield the conditions on sessions. All of them must hold."""
        for name, value in self.given().items():
            yield FILTERS[name].rule(value, now)

    @property
    def cuts_off(self) -> bool:
        """Whether one write on the apps, or on a few users, can refuse exactly these sessions at once."""
        kinds = self.given().keys() - {"created_before"}  # without another filter it applies to all apps
        few = self.users is None or len(self.users) <= MOST_CUT_OFF
        # Superusers can be left out of a write on users. A cut-off of an app would refuse them, too.
        if self.users is not None:
            kinds -= {"spare_superusers"}
        return kinds in (set(), {"everyone"}, {"apps"}) or (kinds == {"users"} and few)

    def as_json(self) -> dict[str, Any]:
        """Return the filters in the form that is stored. `from_json` reads it."""
        return {name: FILTERS[name].to_json(value) for name, value in self.given().items()}

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Self:
        return cls(**{name: FILTERS[name].from_json(value) for name, value in stored.items()})

    def fingerprint(self) -> str:
        """Return 16 hex digits, the same for the same filters in any order."""
        text = json.dumps(self.as_json(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]
