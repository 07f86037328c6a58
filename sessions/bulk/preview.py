"""What a bulk order would end, before anybody confirms it."""

import re
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from django.db.models import Count, Q, QuerySet, Sum

from sessions.bulk.selection import Selection
from sessions.models import Session
from users.clock import database_now


def meant_by(selection: Selection, *, now: datetime) -> QuerySet[Session]:
    """Those that had not ended; of those who log in while a run is at work none is meant."""
    return selection.queryset(now=now).filter(ended_at=None, created_at__lte=now)


@dataclass(frozen=True)
class Preview:
    """What a run would end now; counted when it is asked for, once. ``seen`` is the count that somebody was shown."""

    selection: Selection
    seen: int | None = None

    @property
    def count(self) -> int:
        """How many sessions."""
        return self._counts["count"] if self.seen is None else self.seen

    @property
    def users(self) -> int:
        """Of how many users; app-level sessions are nobody's."""
        return self._counts["users"]

    @property
    def is_of_many(self) -> bool:
        """Whether that is more than one user, or more than one device of nobody's: it takes a reason."""
        return self.users > 1 or (self._counts["count"] > 1 and self._counts["nobodys"] > 0)

    @cached_property
    def _counts(self) -> dict[str, int]:
        by_user = meant_by(self.selection, now=database_now()).order_by().values("user").annotate(sessions=Count("pk"))
        nobodys = Sum("sessions", filter=Q(user=None), default=0)
        return by_user.aggregate(count=Sum("sessions", default=0), users=Count("user"), nobodys=nobodys)

    def is_empty(self) -> bool:
        return not meant_by(self.selection, now=database_now()).exists()

    @property
    def digest(self) -> str:
        """Names these filters and this count, in hex: what `--confirm` wants."""
        return f"{self.selection.fingerprint()}{self.count:08x}"

    def count_confirmed_by(self, digest: str) -> int | None:
        """The count that the digest of an earlier preview stands for; None, if its filters were others."""
        filters, count = digest[:16], digest[16:]
        if filters != self.selection.fingerprint() or not re.fullmatch("[0-9a-f]{8}", count):
            return None
        return int(count, 16)

    def sample(self, count: int) -> list[Session]:
        """A few of them, the newest, with what they point at."""
        live = meant_by(self.selection, now=database_now()).select_related("user", "app", "device")
        return list(live.order_by("-pk")[:count])

    def user_ids(self) -> set[str]:
        """Whose they are; app-level ones are nobody's."""
        live = meant_by(self.selection, now=database_now())
        return set(live.exclude(user=None).order_by().values_list("user", flat=True).distinct())
