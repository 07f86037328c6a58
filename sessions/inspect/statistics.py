"""The dashboard's figures, kept by day: opened, ended and why, live by app and platform.

Roll-ups: the server's sweep counts them every five minutes. Of a day that is over it counts once; of the
present one by index (the key of a session begins with the time, ended ones have an index by time); live ones
by one look at them all. So the page reads some hundred rows, however many sessions there are. What happened
since the last count is added by index, so that the number of live sessions is of now.
"""

from collections.abc import Iterator
from datetime import date, datetime, timedelta

from django.db import transaction
from django.db.models import Count, Max, Sum

from sessions.ids import first_id, start_of
from sessions.models import Figure, Session
from users.clock import database_now
from users.models import App

DAYS = 30
# Who sees a page with older figures than that has no server that sweeps.
STALE_AFTER = timedelta(minutes=15)
# A logout that began before midnight may be committed after it.
_SETTLED_AFTER = timedelta(minutes=15)


def days_until(today: date) -> list[date]:
    """The days that the dashboard is about, the oldest first."""
    return [today - timedelta(days=ago) for ago in reversed(range(DAYS))]


def count_figures(*, anew: bool = False) -> None:
    """Bring the figures up to date; ``anew``: those of days that were counted when they were over, too.

    Sessions with a past, such as made-up ones, are on such days.
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
    with transaction.atomic():
        Figure.objects.filter(kind=Figure.Kind.LIVE).delete()
        _keep(now.date(), now, rows)


def count_if_stale() -> None:
    """For a page that no server sweeps for: count now."""
    latest = counted_at()
    if latest is None or database_now() - latest > STALE_AFTER:
        count_figures()


def counted_at() -> datetime | None:
    """The moment that the figures are of."""
    latest: datetime | None = Figure.objects.aggregate(at=Max("counted_at"))["at"]
    return latest


def live_now() -> dict[tuple[str, str], int]:
    """How many sessions of each app on each platform were live at the last count; of apps that are on."""
    rows = Figure.objects.filter(kind=Figure.Kind.LIVE, app_id__in=_active_apps())
    return {(app, platform): count for app, platform, count in rows.values_list("app_id", "label", "count")}


def live_total() -> int:
    """How many sessions are live now: those of the last count, and what has happened since."""
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
    """By day and reason."""
    found: dict[date, dict[str, int]] = {}
    for day, reason, count in Figure.objects.filter(kind=Figure.Kind.ENDED).values_list("day", "label", "count"):
        found.setdefault(day, {})[reason] = count
    return found


def platforms() -> list[str]:
    """Of live sessions, the most frequent first; not those that are not known."""
    rows = Figure.objects.filter(kind=Figure.Kind.LIVE).exclude(label="").values_list("label")
    return [label for label, _ in rows.annotate(n=Sum("count")).order_by("-n", "label")]


def _active_apps() -> list[str]:
    return list(App.objects.filter(is_active=True).values_list("pk", flat=True))


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
