"""Which sessions an order means: filters that combine, stored so that orders can be compared and repeated.

Each filter narrows; several values of one filter widen that filter only. No filter is an error and never means "all":
`everyone` means that.
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

# The sessions of more users are not refused by one write; they are ended in batches only.
MOST_CUT_OFF = 1000


@dataclass(frozen=True)
class Selection(Filters):
    """A set of sessions, by the filters that are given. Raises: SelectionError, if they have no meaning."""

    def __post_init__(self) -> None:
        names = self.given().keys() - {"spare_superusers"}
        if not names:
            raise SelectionError("No filter is given. All sessions are meant by --everyone only.")
        if self.everyone and len(names) > 1:
            raise SelectionError("--everyone goes with no other filter.")
        for name, value in self.given().items():
            FILTERS[name].check(value)

    def given(self) -> dict[str, Any]:
        """The values of the filters that are given, by name."""
        values = {name: getattr(self, name) for name in FILTERS}
        return {name: value for name, value in values.items() if value not in (None, False)}

    def queryset(self, *, now: datetime) -> QuerySet[Session]:
        """The sessions, live and ended ones; ``now`` is what `idle_for` counts from."""
        return Session.objects.filter(*self.rules(now))

    def rules(self, now: datetime) -> Iterator[Q]:
        """The conditions on sessions; all of them must hold."""
        for name, value in self.given().items():
            yield FILTERS[name].rule(value, now)

    @property
    def cuts_off(self) -> bool:
        """Whether a write on the apps or on a few users refuses exactly these sessions at once."""
        kinds = self.given().keys() - {"created_before"}  # by itself it is for all apps
        few = self.users is None or len(self.users) <= MOST_CUT_OFF
        # Superusers can be left out of users. An app's cut-off would refuse them, too.
        if self.users is not None:
            kinds -= {"spare_superusers"}
        return kinds in (set(), {"everyone"}, {"apps"}) or (kinds == {"users"} and few)

    def as_json(self) -> dict[str, Any]:
        """The filters in the form that is stored; `from_json` reads it."""
        return {name: FILTERS[name].to_json(value) for name, value in self.given().items()}

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Self:
        return cls(**{name: FILTERS[name].from_json(value) for name, value in stored.items()})

    def fingerprint(self) -> str:
        """16 hex digits, the same for the same filters in any order."""
        text = json.dumps(self.as_json(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]
