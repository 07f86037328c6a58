"""The dashboard's figures of one moment: the stored count, and what has happened since.

The changes since the count are found by index, in one statement, which sees one state of the database. Live sessions,
opened and ended ones come from it together, so parts add up to their whole, also while an order ends sessions.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.db.models import CharField, Count, DateField, F, Q, QuerySet, Value
from django.db.models.functions import TruncDate

from sessions.inspect.statistics import MANY_CHANGES, count_figures, days_until, is_old, opened_since
from sessions.jobs.deferring import after_commit, job
from sessions.models import Figure, Session
from users.clock import database_now

_OPENED, _ENDED = Figure.Kind.OPENED, Figure.Kind.ENDED


@dataclass
class Figures:
    """The figures at one moment, ``at``. Before the first count, all of them are 0.

    ``live`` is by app and platform, ``ended`` by day and reason. ``live_at_end`` has the past days that are known.
    """

    at: datetime
    live: Counter[tuple[str, str]] = field(default_factory=Counter)
    live_at_end: dict[date, int] = field(default_factory=dict)
    opened: Counter[date] = field(default_factory=Counter)
    ended: dict[date, Counter[str]] = field(default_factory=dict)
    # The time of the stored count.
    counted_at: datetime | None = None

    @property
    def days(self) -> list[date]:
        return days_until(self.at.date())


def read_figures() -> Figures:
    """Return the figures of the last 30 days and of now. Count only if the database was never counted."""
    figures = _stored()
    if figures.counted_at is None:
        count_figures(wait=False)
        figures = _stored()
    if figures.counted_at is not None:
        _add_changes(figures, figures.counted_at)
    return figures


def _stored() -> Figures:
    figures = Figures(at=database_now())
    rows = Figure.objects.filter(Q(kind=Figure.Kind.LIVE) | Q(day__gte=figures.days[0]))
    # One statement: another process may be storing the next count.
    for row in rows.exclude(kind=Figure.Kind.COUNTRY):
        if row.kind == Figure.Kind.LIVE:
            figures.live[row.app_id, row.label] = row.count
        elif row.kind == Figure.Kind.LIVE_AT_END:
            figures.live_at_end[row.day] = row.count
        elif row.kind == _ENDED:
            figures.ended.setdefault(row.day, Counter())[row.label] = row.count
        else:
            figures.opened[row.day] = row.count
            figures.counted_at = max(row.counted_at, figures.counted_at or row.counted_at)
    return figures


def _add_changes(figures: Figures, since: datetime) -> None:
    """Add what has happened since the count. Later days than the count's get their figures here."""
    changes = sorted(_changes(since, figures.at))
    day = since.date()
    for changed_on, kind, app, platform, reason, count in changes:
        while day < changed_on:
            day = _close(figures, day)
        if kind == _OPENED:
            figures.live[app, platform] += count
            figures.opened[changed_on] += count
        else:
            figures.live[app, platform] -= count
            figures.ended.setdefault(changed_on, Counter())[reason] += count
    while day < figures.at.date():
        day = _close(figures, day)
    if sum(change[-1] for change in changes) > MANY_CHANGES and is_old(since, figures.at):
        after_commit(_count_again)  # so that the next page has less to add


def _close(figures: Figures, day: date) -> date:
    """Store the number of live sessions at the end of ``day``. Returns the next day."""
    figures.live_at_end.setdefault(day, sum(figures.live.values()))
    return day + timedelta(days=1)


def _changes(since: datetime, now: datetime) -> QuerySet[Any]:
    """Return day, kind, app, platform, reason and number of the sessions that were opened or ended after ``since``."""
    # To compute the day of each row takes as long as all the rest. Most of the time all rows are of today.
    is_today = Value(now.date(), output_field=DateField()) if since.date() == now.date() else None
    opened = opened_since(since).annotate(
        changed_on=is_today or TruncDate("created_at", tzinfo=UTC), what=_text(_OPENED), reason=_text("")
    )
    ended = Session.objects.filter(ended_at__gt=since).annotate(
        changed_on=is_today or TruncDate("ended_at", tzinfo=UTC), what=_text(_ENDED), reason=F("end_reason")
    )
    return _counted(opened).union(_counted(ended), all=True)


def _text(text: str) -> Value:
    return Value(str(text), output_field=CharField())


def _counted(sessions: QuerySet[Session]) -> QuerySet[Any]:
    columns = ("changed_on", "what", "app_id", "platform", "reason")
    return sessions.order_by().values_list(*columns).annotate(n=Count("pk"))


@job("count_figures", lifetime=timedelta(minutes=1))
def _count_again() -> None:
    # Several pages may have asked for it.
    figures = _stored()
    if figures.counted_at is None or is_old(figures.counted_at, figures.at):
        count_figures(wait=False)
