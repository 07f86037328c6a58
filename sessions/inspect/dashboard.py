"""The contents of the admin's first page, read from stored counts: see `sessions.inspect.statistics`.

The page opens as fast with a million sessions as with ten.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from django.db.models import Sum
from django.db.models.functions import TruncDate

from sessions.ids import start_of
from sessions.inspect.statistics import (
    count_if_stale,
    counted_at,
    days_until,
    ended_by_day,
    live_now,
    live_total,
    opened_by_day,
)
from sessions.models import EndReason, Session
from users.clock import database_now
from users.models import App, RefusedLogin


@dataclass(frozen=True)
class Part:
    """A part of a chart: ``count`` of ``whole``. ``key`` is its value in the URL of the list that it links to."""

    key: str
    label: str
    count: int
    whole: int
    color: int = 0

    @property
    def percent(self) -> float:
        return round(100 * self.count / self.whole, 2) if self.whole else 0


@dataclass(frozen=True)
class Column:
    """A day of a chart. Its parts are stacked; their heights are relative to the highest day."""

    day: date
    total: int
    parts: list[Part]


@dataclass(frozen=True)
class Chart:
    columns: list[Column]
    legend: list[Part] = field(default_factory=list)

    @property
    def top(self) -> int:
        return max((column.total for column in self.columns), default=0)

    @property
    def total(self) -> int:
        return sum(column.total for column in self.columns)

    @property
    def today(self) -> Column:
        return self.columns[-1]


@dataclass(frozen=True)
class Dashboard:
    counted_at: datetime | None
    live: int
    opened_today: int
    live_by_day: Chart
    ended: Chart
    refused: Chart
    by_app: list[Part]
    by_platform: list[Part]
    has_clients: bool

    @property
    def is_empty(self) -> bool:
        """Whether no client has a session, and no session has ended and no log-in was refused in the last 30 days."""
        return not (self.has_clients or self.ended.total or self.refused.total)


def dashboard() -> Dashboard:
    """Return the figures of the last 30 days (UTC) and of now."""
    count_if_stale()
    days = days_until(database_now().date())
    opened, ended, live = opened_by_day(), ended_by_day(), live_total()
    by_app, by_platform = _live_by_app_and_platform()
    return Dashboard(
        counted_at=counted_at(),
        live=live,
        opened_today=opened.get(days[-1], 0),
        live_by_day=_live_chart(days, live, opened, {day: sum(counts.values()) for day, counts in ended.items()}),
        ended=_stacked(days, ended, dict(EndReason.choices)),
        refused=_stacked(days, _refused(days[0]), dict(RefusedLogin.Reason.choices)),
        by_app=by_app,
        by_platform=by_platform,
        has_clients=Session.objects.filter(app__kind=App.Kind.CLIENT).exists(),
    )


def _live_chart(days: list[date], live: int, opened: Mapping[date, int], ended: Mapping[date, int]) -> Chart:
    """Return how many sessions were live at the end of each day.

    It counts back from now: it adds the sessions that ended on a day, and subtracts those that were opened.
    """
    counts: dict[date, int] = {}
    for day in reversed(days):
        counts[day] = max(0, live)
        live += ended.get(day, 0) - opened.get(day, 0)
    top = max(counts.values())
    return Chart([Column(day, counts[day], [Part("live", "live", counts[day], top)]) for day in days])


def _stacked(days: list[date], counts: Mapping[date, Mapping[str, int]], labels: Mapping[str, str]) -> Chart:
    whole: dict[str, int] = {}
    for day in days:
        for key, count in counts.get(day, {}).items():
            whole[key] = whole.get(key, 0) + count
    keys = [key for key in labels if key in whole]
    top = max(sum(counts.get(day, {}).values()) for day in days)
    # So that a key has the same color in every chart.
    colors = {key: number for number, key in enumerate(labels)}
    columns = [
        Column(
            day,
            sum(counts.get(day, {}).values()),
            [
                Part(key, labels[key], counts[day][key], top, colors[key])
                for key in keys
                if counts.get(day, {}).get(key)
            ],
        )
        for day in days
    ]
    total = sum(whole.values())
    return Chart(columns, [Part(key, labels[key], whole[key], total, colors[key]) for key in keys])


def _live_by_app_and_platform() -> tuple[list[Part], list[Part]]:
    apps: dict[str, int] = {}
    platforms: dict[str, int] = {}
    for (app, platform), count in live_now().items():
        apps[app] = apps.get(app, 0) + count
        platforms[platform] = platforms.get(platform, 0) + count
    names = dict(App.objects.filter(pk__in=apps).values_list("pk", "name"))
    return (
        _ranked((app, names[app], count) for app, count in apps.items()),
        _ranked((platform or "unknown", platform or "unknown", count) for platform, count in platforms.items()),
    )


def _ranked(rows: Iterable[tuple[str, str, int]]) -> list[Part]:
    found = sorted((row for row in rows if row[2]), key=lambda row: (-row[2], row[1]))
    whole = sum(count for _, _, count in found)
    return [Part(key, label, count, whole) for key, label, count in found]


def _refused(since: date) -> dict[date, dict[str, int]]:
    rows = RefusedLogin.objects.filter(hour__gte=start_of(since)).annotate(day=TruncDate("hour")).order_by()
    found: dict[date, dict[str, int]] = {}
    for day, reason, count in rows.values_list("day", "reason").annotate(n=Sum("count")):
        found.setdefault(day, {})[reason] = count
    return found
