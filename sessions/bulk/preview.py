"""The preview of a bulk order: what it would end."""

import re
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from django.db.models import Count, Q, QuerySet, Sum

from sessions.models import Session
from sessions.selection.selection import Selection
from users.clock import database_now


def meant_by(selection: Selection, *, now: datetime) -> QuerySet[Session]:
    """Return the sessions of ``selection`` that were open at ``now``, without later log-ins."""
    return selection.queryset(now=now).filter(ended_at=None, created_at__lte=now)


@dataclass(frozen=True)
class Preview:
    """What a run would end now, counted on first use. ``seen`` is a count that was shown before, to use instead."""

    selection: Selection
    seen: int | None = None

    @property
    def count(self) -> int:
        """The number of sessions."""
        return self._counts["count"] if self.seen is None else self.seen

    @property
    def users(self) -> int:
        """The number of users who have these sessions. App-level sessions have no user."""
        return self._counts["users"]

    @property
    def is_of_many(self) -> bool:
        """Whether these are sessions of several users, or several sessions of which at least one has no user."""
        return self.users > 1 or (self._counts["count"] > 1 and self._counts["without_user"] > 0)

    @cached_property
    def _counts(self) -> dict[str, int]:
        by_user = meant_by(self.selection, now=database_now()).order_by().values("user").annotate(sessions=Count("pk"))
        without_user = Sum("sessions", filter=Q(user=None), default=0)
        return by_user.aggregate(count=Sum("sessions", default=0), users=Count("user"), without_user=without_user)

    def is_empty(self) -> bool:
        return not meant_by(self.selection, now=database_now()).exists()

    @property
    def digest(self) -> str:
        """The fingerprint of the filters and the count, in hex. `--confirm` takes it."""
        return f"{self.selection.fingerprint()}{self.count:08x}"

    def count_confirmed_by(self, digest: str) -> int | None:
        """Return the count in the digest of an earlier preview. None, if the preview had other filters."""
        filters, count = digest[:16], digest[16:]
        if filters != self.selection.fingerprint() or not re.fullmatch("[0-9a-f]{8}", count):
            return None
        return int(count, 16)

    def sample(self, count: int) -> list[Session]:
        """Return the newest ``count`` sessions, with their users, apps and devices."""
        live = meant_by(self.selection, now=database_now()).select_related("user", "app", "device")
        return list(live.order_by("-pk")[:count])

    def user_ids(self) -> set[str]:
        """Return the ids of these sessions' users. App-level sessions have none."""
        live = meant_by(self.selection, now=database_now())
        return set(live.exclude(user=None).order_by().values_list("user", flat=True).distinct())
