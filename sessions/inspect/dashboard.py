"""The contents of the admin's first page. All figures are those of one moment: see `sessions.inspect.figures`.

The page opens as fast with a million sessions as with ten.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from django.db.models import F, Sum
from django.db.models.functions import TruncDate

from sessions.ids import start_of
from sessions.inspect.figures import Figures, read_figures
from sessions.models import BulkRun, EndReason, Session
from users.models import App, RefusedLogin

MOST_PARTS = 10
# A command that was interrupted leaves its run unfinished, perhaps for ever.
_ABANDONED_AFTER = timedelta(days=1)


@dataclass(frozen=True)
class Part:
    """A part of a chart: ``count`` of ``whole``. ``key`` is its value in the URL of the list that it links to.

    Parts that are too many to show are one part without a key.
    """

    key: str
    label: str
    count: int
    whole: int
    color: int = 0

    @property
    def percent(self) -> float:
        return round(100 * self.count / self.whole, 1) if self.whole else 0


@dataclass(frozen=True)
class Column:
    """A day of a chart, with each part of the legend. ``total`` is None if it is not known."""

    day: date
    total: int | None
    parts: list[Part] = field(default_factory=list)


@dataclass(frozen=True)
class Chart:
    """Days, the oldest first. A part of the legend has the sum of all days."""

    columns: list[Column]
    legend: list[Part] = field(default_factory=list)

    @property
    def total(self) -> int:
        return sum(column.total or 0 for column in self.columns)

    @property
    def today(self) -> Column:
        return self.columns[-1]


@dataclass(frozen=True)
class Dashboard:
    """The figures at one moment, ``at``. It is None if nothing was ever counted.

    ``being_ended`` is how many sessions the orders at work have not ended yet. They count as live.
    """

    at: datetime | None
    live: int
    opened_today: int
    live_by_day: Chart
    ended: Chart
    refused: Chart
    by_app: list[Part]
    by_platform: list[Part]
    being_ended: int
    has_clients: bool

    @property
    def is_empty(self) -> bool:
        """Whether no client has a session, and no session has ended and no log-in was refused in the last 30 days."""
        return not (self.has_clients or self.ended.total or self.refused.total)


def dashboard() -> Dashboard:
    """Return the figures of the last 30 days (UTC) and of now."""
    figures = read_figures()
    names = dict(App.objects.filter(is_active=True).values_list("pk", "name"))
    by_app, by_platform = _live_parts(figures, names)
    live = sum(part.count for part in by_app)
    return Dashboard(
        at=figures.at if figures.counted_at else None,
        live=live,
        opened_today=figures.opened[figures.days[-1]],
        live_by_day=_live_chart(figures, live),
        ended=_stacked(figures.days, figures.ended, dict(EndReason.choices)),
        refused=_stacked(figures.days, _refused(figures.days[0]), dict(RefusedLogin.Reason.choices)),
        by_app=by_app,
        by_platform=by_platform,
        being_ended=_being_ended(figures.at - _ABANDONED_AFTER),
        has_clients=Session.objects.filter(app__kind=App.Kind.CLIENT).exists(),
    )


def _live_chart(figures: Figures, live: int) -> Chart:
    """Return how many sessions were live at the end of each past day, and how many are live now."""
    past = [Column(day, figures.live_at_end.get(day)) for day in figures.days[:-1]]
    return Chart([*past, Column(figures.days[-1], live)])


def _stacked(days: list[date], counts: Mapping[date, Mapping[str, int]], labels: Mapping[str, str]) -> Chart:
    whole: dict[str, int] = {}
    for day in days:
        for key, count in counts.get(day, {}).items():
            whole[key] = whole.get(key, 0) + count
    # A key has the same color and the same place in every chart.
    keys = {key: number for number, key in enumerate(labels) if key in whole}
    columns = []
    for day in days:
        on_day = counts.get(day, {})
        total = sum(on_day.values())
        parts = [Part(key, labels[key], on_day.get(key, 0), total, color) for key, color in keys.items()]
        columns.append(Column(day, total, parts))
    total = sum(whole.values())
    return Chart(columns, [Part(key, labels[key], whole[key], total, color) for key, color in keys.items()])


def _live_parts(figures: Figures, names: Mapping[str, str]) -> tuple[list[Part], list[Part]]:
    """Return the live sessions by app and by platform. An app that is switched off has none."""
    apps: dict[str, int] = {}
    platforms: dict[str, int] = {}
    for (app, platform), count in figures.live.items():
        if app in names:
            # Less than 0: a commit came very late. The next count repairs it.
            apps[app] = apps.get(app, 0) + max(0, count)
            platforms[platform] = platforms.get(platform, 0) + max(0, count)
    return (
        _ranked((app, names[app], count) for app, count in apps.items()),
        _ranked((platform or "unknown", platform or "unknown", count) for platform, count in platforms.items()),
    )


def _ranked(rows: Iterable[tuple[str, str, int]]) -> list[Part]:
    found = sorted((row for row in rows if row[2]), key=lambda row: (-row[2], row[1]))
    whole = sum(count for _, _, count in found)
    shown = [Part(key, label, count, whole) for key, label, count in found[:MOST_PARTS]]
    if others := found[MOST_PARTS:]:
        shown.append(Part("", f"{len(others)} others", sum(count for _, _, count in others), whole))
    return shown


def _being_ended(since: datetime) -> int:
    """Return how many sessions the unfinished orders of the last day have not ended yet. A stopped order ends none."""
    at_work = BulkRun.objects.filter(finished_at=None, stopped_at=None, as_of__gt=since)
    left = at_work.filter(expected__gt=F("ended"))
    return left.aggregate(n=Sum(F("expected") - F("ended"), default=0))["n"] or 0


def _refused(since: date) -> dict[date, dict[str, int]]:
    rows = RefusedLogin.objects.filter(hour__gte=start_of(since)).annotate(day=TruncDate("hour")).order_by()
    found: dict[date, dict[str, int]] = {}
    for day, reason, count in rows.values_list("day", "reason").annotate(n=Sum("count")):
        found.setdefault(day, {})[reason] = count
    return found
