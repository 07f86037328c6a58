"""Count the dashboard's figures by day and store them: `sessions.inspect.figures` adds what has happened since.

The server's sweep counts every five minutes. A figure of a past day is counted when the day is over. Later endings and
`manage.py prune` don't change it. The figures of the present day and of live sessions are true at one past moment,
`counted_at`. Each transaction that has an earlier time has committed by then.
"""

from collections.abc import Iterator
from datetime import date, datetime, timedelta

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Count, Max, Q, QuerySet

from sessions.ids import first_id, start_of
from sessions.models import PLATFORM_LENGTH, BulkRun, Figure, Session
from users.clock import database_now

DAYS = 30
# A session's time is a little older than its commit. The longest statement of a request takes ten seconds.
COMMITTED_AFTER = timedelta(seconds=15)
# A session's id comes from the clock of a server, and may be made a moment before `created_at`.
IDS_DIFFER = timedelta(minutes=1)
# After so many changes the dashboard's next page would have much to add to the count.
MANY_CHANGES = 20_000
# An outage may delay a commit for longer. So a past day is counted until it has been over for this long.
_SETTLED_AFTER = timedelta(minutes=15)
# One of PostgreSQL's advisory locks: any number that nothing else uses.
_COUNT_LOCK = 0x5A41_4649


def days_until(today: date) -> list[date]:
    """Return the days of the dashboard, the oldest first."""
    return [today - timedelta(days=ago) for ago in reversed(range(DAYS))]


@transaction.atomic
def count_figures(*, anew: bool = False, wait: bool = True) -> None:
    """Count the figures that are out of date.

    Args:
        anew: count past days again. Demo sessions, for example, are opened in the past.
        wait: if another process is counting, wait and count again. Otherwise do nothing.
    """
    if not _lock(wait=wait):
        return
    until = database_now() - COMMITTED_AFTER
    days = _days_to_count(until, anew=anew)
    for day in days:
        _keep(day, until, list(_of_day(day, until)))
    _keep_ends([day for day in days if day < until.date()], until)
    rows = [(Figure.Kind.LIVE, app, platform, count) for app, platform, count in _live_at(until)]
    if settings.GEOIP_PATH is not None:
        rows += _countries()
    Figure.objects.filter(kind__in=(Figure.Kind.LIVE, Figure.Kind.COUNTRY)).delete()
    _keep(until.date(), until, rows)


def count_after_runs() -> None:
    """Count again if a large bulk run has ended sessions since the last count, at most every half a minute."""
    counted_at = Figure.objects.filter(kind=Figure.Kind.OPENED).aggregate(at=Max("counted_at"))["at"]
    if counted_at is None or not is_old(counted_at, database_now()):
        return
    if BulkRun.objects.filter(last_batch_at__gt=counted_at, ended__gt=MANY_CHANGES).exists():
        count_figures(wait=False)


def is_old(counted_at: datetime, now: datetime) -> bool:
    """Return whether another count would be much newer than that of ``counted_at``."""
    return now - counted_at > 2 * COMMITTED_AFTER


def opened_since(moment: datetime) -> QuerySet[Session]:
    """Return the sessions that were opened after ``moment``, found by the primary key."""
    return Session.objects.filter(pk__gte=first_id(moment - IDS_DIFFER), created_at__gt=moment)


def _lock(*, wait: bool) -> bool:
    with connection.cursor() as cursor:
        if wait:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", (_COUNT_LOCK,))
            return True
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", (_COUNT_LOCK,))
        return bool(cursor.fetchone()[0])


def _days_to_count(until: datetime, *, anew: bool) -> list[date]:
    days = days_until(until.date())
    rows = Figure.objects.filter(kind__in=(Figure.Kind.OPENED, Figure.Kind.LIVE_AT_END), day__gte=days[0])
    # Earlier versions stored no `LIVE_AT_END`.
    counted = {(kind, day): at for kind, day, at in rows.values_list("kind", "day", "counted_at")}
    kinds = {day: (Figure.Kind.OPENED, Figure.Kind.LIVE_AT_END)[: 1 + (day < until.date())] for day in days}
    return [
        day
        for day in days
        if anew
        or any((kind, day) not in counted or counted[kind, day] < _end_of(day) + _SETTLED_AFTER for kind in kinds[day])
    ]


def _of_day(day: date, until: datetime) -> Iterator[tuple[Figure.Kind, str, str, int]]:
    start, end = start_of(day), _end_of(day)
    ids = Q(pk__gte=first_id(start - IDS_DIFFER), pk__lt=first_id(end + IDS_DIFFER))
    opened = Session.objects.filter(ids, created_at__gte=start, created_at__lt=end, created_at__lte=until)
    yield Figure.Kind.OPENED, "", "", opened.count()
    ended = Session.objects.filter(ended_at__gte=start, ended_at__lt=end, ended_at__lte=until)
    for reason, count in ended.values_list("end_reason").annotate(n=Count("pk")).order_by():
        yield Figure.Kind.ENDED, "", reason, count


def _keep_ends(days: list[date], until: datetime) -> None:
    """Store how many sessions were live at the end of these days. One scan counts all of them."""
    if not days:
        return
    ends = {f"day_{number}": _end_of(day) for number, day in enumerate(days)}
    counts = Session.objects.aggregate(**{name: Count("pk", filter=_was_live_at(end)) for name, end in ends.items()})
    for day, count in zip(days, counts.values(), strict=True):
        _keep(day, until, [(Figure.Kind.LIVE_AT_END, "", "", count)])


def _live_at(moment: datetime) -> Iterator[tuple[str, str, int]]:
    rows = Session.objects.filter(_was_live_at(moment, included=True)).values_list("app_id", "platform")
    yield from rows.annotate(n=Count("pk")).order_by()


def _was_live_at(moment: datetime, *, included: bool = False) -> Q:
    """Return the condition on sessions that had been opened and had not ended.

    Args: included: whether what happened at that very moment counts.
    """
    if included:
        return Q(created_at__lte=moment) & (Q(ended_at=None) | Q(ended_at__gt=moment))
    return Q(created_at__lt=moment) & (Q(ended_at=None) | Q(ended_at__gte=moment))


def _countries() -> Iterator[tuple[Figure.Kind, str, str, int]]:
    live = Session.objects.filter(ended_at=None, country__isnull=False).values_list("country")
    for code, name, count in live.annotate(name=Max("country_name"), n=Count("pk")).order_by():
        yield Figure.Kind.COUNTRY, "", f"{code} {name or code}"[:PLATFORM_LENGTH], count


def _end_of(day: date) -> datetime:
    return start_of(day + timedelta(days=1))


def _keep(day: date, until: datetime, rows: list[tuple[Figure.Kind, str, str, int]]) -> None:
    Figure.objects.bulk_create(
        [
            Figure(kind=kind, day=day, app_id=app, label=label, count=count, counted_at=until)
            for kind, app, label, count in rows
        ],
        update_conflicts=True,
        unique_fields=["kind", "day", "app_id", "label"],
        update_fields=["count", "counted_at"],
    )
