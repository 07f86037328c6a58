"""The dashboard's figures by day: opened sessions, ended sessions by reason, live sessions by app and platform.

The server's sweep counts and stores them every five minutes. So the dashboard reads some hundred rows, however many
sessions there are. A past day is counted once. The present day is counted with indexes: session ids begin with the
time, and ended sessions have an index by time. Live sessions are counted by one scan. `live_total` adds the changes
since the last count, with an index.
"""

from collections.abc import Iterator
from datetime import date, datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Count, Max

from sessions.ids import first_id, start_of
from sessions.models import PLATFORM_LENGTH, Figure, Session
from users.clock import database_now
from users.models import App

DAYS = 30
# If the figures are older than this, no server sweeps.
STALE_AFTER = timedelta(minutes=15)
# A logout that began before midnight may commit after it.
_SETTLED_AFTER = timedelta(minutes=15)


def days_until(today: date) -> list[date]:
    """Return the days of the dashboard, the oldest first."""
    return [today - timedelta(days=ago) for ago in reversed(range(DAYS))]


def count_figures(*, anew: bool = False) -> None:
    """Count the figures that are out of date.

    Args: anew: count past days again. Demo sessions, for example, are opened in the past.
    """
    now = database_now()
    counted = dict(
        Figure.objects.filter(kind=Figure.Kind.OPENED, day__gte=now.date() - timedelta(days=DAYS)).values_list(
            "day", "counted_at"
        )
    )
    for day in days_until(now.date()):
        if anew or day not in counted or counted[day] < start_of(day + timedelta(days=1)) + _SETTLED_AFTER:
            _keep(day, now, list(_of_day(day)))
    live = Session.objects.filter(ended_at=None).values_list("app_id", "platform").annotate(n=Count("pk"))
    rows = [(Figure.Kind.LIVE, app, platform, n) for app, platform, n in live.order_by()]
    if settings.GEOIP_PATH is not None:
        rows += _countries()
    with transaction.atomic():
        Figure.objects.filter(kind__in=(Figure.Kind.LIVE, Figure.Kind.COUNTRY)).delete()
        _keep(now.date(), now, rows)


def count_if_stale() -> None:
    """Count now if the figures are old because no server sweeps."""
    latest = counted_at()
    if latest is None or database_now() - latest > STALE_AFTER:
        count_figures()


def counted_at() -> datetime | None:
    """Return when the figures were last counted."""
    latest: datetime | None = Figure.objects.aggregate(at=Max("counted_at"))["at"]
    return latest


def live_now() -> dict[tuple[str, str], int]:
    """Return the number of live sessions by app and platform, at the last count, without apps that are switched off."""
    rows = Figure.objects.filter(kind=Figure.Kind.LIVE, app_id__in=_active_apps())
    return {(app, platform): count for app, platform, count in rows.values_list("app_id", "label", "count")}


def live_total() -> int:
    """Return the number of live sessions now: the last count, and the changes since."""
    since = Figure.objects.filter(kind=Figure.Kind.OPENED).aggregate(at=Max("counted_at"))["at"]
    total = sum(live_now().values())
    if since is None:
        return total
    of_active = Session.objects.filter(app__in=_active_apps())
    opened = of_active.filter(pk__gte=first_id(since), created_at__gt=since).count()
    ended = of_active.filter(ended_at__gt=since).count()
    return max(0, total + opened - ended)


def opened_by_day() -> dict[date, int]:
    return dict(Figure.objects.filter(kind=Figure.Kind.OPENED).values_list("day", "count"))


def ended_by_day() -> dict[date, dict[str, int]]:
    """Return the number of sessions that ended, by day and reason."""
    found: dict[date, dict[str, int]] = {}
    for day, reason, count in Figure.objects.filter(kind=Figure.Kind.ENDED).values_list("day", "label", "count"):
        found.setdefault(day, {})[reason] = count
    return found


def _active_apps() -> list[str]:
    return list(App.objects.filter(is_active=True).values_list("pk", flat=True))


def _countries() -> Iterator[tuple[Figure.Kind, str, str, int]]:
    live = Session.objects.filter(ended_at=None, country__isnull=False).values_list("country")
    for code, name, count in live.annotate(name=Max("country_name"), n=Count("pk")).order_by():
        yield Figure.Kind.COUNTRY, "", f"{code} {name or code}"[:PLATFORM_LENGTH], count


def _of_day(day: date) -> Iterator[tuple[Figure.Kind, str, str, int]]:
    start, end = start_of(day), start_of(day + timedelta(days=1))
    opened = Session.objects.filter(pk__gte=first_id(start), pk__lt=first_id(end))
    yield Figure.Kind.OPENED, "", "", opened.count()
    ended = Session.objects.filter(ended_at__gte=start, ended_at__lt=end).values_list("end_reason")
    for reason, count in ended.annotate(n=Count("pk")).order_by():
        yield Figure.Kind.ENDED, "", reason, count


def _keep(day: date, now: datetime, rows: list[tuple[Figure.Kind, str, str, int]]) -> None:
    Figure.objects.bulk_create(
        [
            Figure(kind=kind, day=day, app_id=app, label=label, count=count, counted_at=now)
            for kind, app, label, count in rows
        ],
        update_conflicts=True,
        unique_fields=["kind", "day", "app_id", "label"],
        update_fields=["count", "counted_at"],
    )
