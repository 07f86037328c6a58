"""Many sessions at once: the same for the command and for the admin, and for both the same record.

First, where the filters allow it, an instant is written on the apps or the users: from its commit on all
that they select is refused, be it a million. Then the rows are ended in batches, through the one door.
Each batch is whole or not at all, and counted in its own transaction: whatever interrupts a run, running
it again goes on where it stopped.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Greatest
from django.utils import timezone

from sessions.logout import end_sessions
from sessions.models import BulkRun, EndReason, Session
from sessions.origin import Origin
from sessions.selection import Selection
from users.models import App, User

BATCH = 5000
# Of PostgreSQL: an instant "before" is one of these earlier.
RESOLUTION = timedelta(microseconds=1)


class SelectionGrown(Exception):
    """There are many more sessions now than the preview showed."""

    def __init__(self, *, expected: int, found: int) -> None:
        super().__init__(f"{found} sessions are meant now, {expected} at the preview")


@dataclass(frozen=True)
class Preview:
    """What a run would end now."""

    selection: Selection
    count: int
    users: int

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
        live = _live(self.selection, now=timezone.now()).select_related("user", "app", "device")
        return list(live.order_by("-pk")[:count])

    def user_ids(self) -> set[str]:
        """Whose they are; app-level ones are nobody's."""
        live = _live(self.selection, now=timezone.now())
        return set(live.exclude(user=None).order_by().values_list("user", flat=True).distinct())


def preview(selection: Selection) -> Preview:
    live = _live(selection, now=timezone.now())
    return Preview(selection, live.count(), live.values("user").distinct().count())


def start_run(
    selection: Selection,
    *,
    source: BulkRun.Source,
    note: str,
    expected: int,
    actor: User | None = None,
    operator: str = "",
    origin: Origin | None = None,
) -> BulkRun:
    """Write the order down; where the filters allow it, all that it is for is refused from now on.

    An order with the same filters that was interrupted is taken up again instead.

    Raises: SelectionGrown, when more than a tenth over ``expected`` are meant by now; nothing has changed.
    """
    interrupted = BulkRun.objects.filter(fingerprint=selection.fingerprint(), finished_at=None).first()
    if interrupted is not None:
        return interrupted
    found = _live(selection, now=timezone.now()).count()
    if found > expected * settings.BULK_MAY_GROW:
        raise SelectionGrown(expected=expected, found=found)
    origin, now = origin or Origin(), timezone.now()
    with transaction.atomic():
        if selection.cuts_off:
            _cut_off(selection, now)
        return BulkRun.objects.create(
            source=source,
            actor=actor,
            operator=operator,
            note=note,
            selection=selection.as_json(),
            fingerprint=selection.fingerprint(),
            expected=found,
            cut_off=selection.cuts_off,
            ip=origin.ip,
            request_id=origin.request_id,
            started_at=now,
        )


def sweep_run(run: BulkRun, *, reason: EndReason | None = None) -> Iterator[int]:
    """End the sessions that ``run`` is for, batch by batch; yields how many it has ended so far.

    Args: reason: if it is another than that staff or an operator wanted it.
    """
    selection = Selection.from_json(run.selection)
    reason = reason or (EndReason.STAFF if run.source == BulkRun.Source.ADMIN else EndReason.OPERATOR)
    origin = Origin(ip=run.ip, request_id=run.request_id)
    left = _live(selection, now=run.started_at).order_by("pk")
    ids = list(left.values_list("pk", flat=True)[:BATCH])
    while ids:
        with transaction.atomic():
            batch = Session.objects.filter(pk__in=ids)
            ended = end_sessions(batch, actor=run.actor, reason=reason, origin=origin, run=run)
            BulkRun.objects.filter(pk=run.pk).update(ended=F("ended") + len(ended))
        run.refresh_from_db(fields=["ended"])
        yield run.ended
        ids = list(left.filter(pk__gt=ids[-1]).values_list("pk", flat=True)[:BATCH])
    BulkRun.objects.filter(pk=run.pk, finished_at=None).update(finished_at=timezone.now())


def _live(selection: Selection, *, now: datetime) -> QuerySet[Session]:
    """Those that had not ended; of those who log in while a run is at work none is meant."""
    return selection.queryset(now=now).filter(ended_at=None, created_at__lte=now)


def _cut_off(selection: Selection, now: datetime) -> None:
    at = now if selection.created_before is None else min(now, selection.created_before - RESOLUTION)
    of: QuerySet[Any] = App.objects.all() if selection.users is None else User.objects.all()
    ids = selection.users if selection.users is not None else selection.apps
    if ids is not None:
        of = of.filter(pk__in=ids)
    if selection.spare_superusers:  # then it is for users: `Selection.cuts_off`
        of = of.exclude(is_superuser=True)
    # Never back: an instant that is there already may be a later one. PostgreSQL leaves a NULL out.
    of.update(sessions_valid_after=Greatest(F("sessions_valid_after"), at))
