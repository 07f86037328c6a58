"""The timeline of a user: the record's entries about them, mixed with their sessions opened and ended, newest first.

It opens quickly however long the history is. Entries and opened sessions are read from a position on, in the order of
an index, and only as far as the page needs. Nothing is counted or skipped over. For the sessions that ended,
PostgreSQL reads and sorts all sessions of the user: an index in the order of their ends would cost each logout a tenth
to a quarter more.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from heapq import merge
from itertools import islice
from typing import Any, Self
from uuid import UUID

from django.db.models import Q, QuerySet

from sessions.inspect.end_notes import add_notes
from sessions.models import EndReason, Session
from users.models import SecurityEvent, User
from users.models.security_event import TO_OTHERS
from users.record.events import Event, Kind
from users.record.reading import entries

# The choice that shows sessions and no entries. The others are the values of `Kind`.
SESSIONS = "sessions"
BATCH = 1000  # rows that a statement of `walk` reads


class Source(IntEnum):
    """Where a moment comes from. At the same instant, the higher one is newer."""

    OPENED = 0
    RECORDED = 1
    ENDED = 2


# Why sessions end if staff, an operator or another service ordered it.
_BY_ORDER = (
    *(EndReason.STAFF, EndReason.OPERATOR, EndReason.USER_DISABLED, EndReason.APP_SWITCHED_OFF, EndReason.RESTORED),
    EndReason.REVOKED,
)

_COLUMN = {Source.OPENED: "created_at", Source.RECORDED: "at", Source.ENDED: "ended_at"}


@dataclass(frozen=True)
class Position:
    """The place of a moment in the timeline. A page starts right after one, even if others were added meanwhile."""

    at: datetime
    source: Source
    key: int | UUID

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the text of a position. Raises: ValueError."""
        at, source, key = text.split("_")
        where = Source[source]
        moment = datetime.fromisoformat(at)
        if moment.tzinfo is None:
            raise ValueError("a time needs its zone")
        return cls(moment, where, int(key) if where is Source.RECORDED else UUID(key))

    def __str__(self) -> str:
        return f"{self.at.isoformat().replace('+00:00', 'Z')}_{self.source.name}_{self.key}"


@dataclass(frozen=True)
class Moment:
    """One line of the timeline: an entry of the record, or a session that was opened or that ended."""

    at: datetime
    source: Source
    row: SecurityEvent | Session

    @property
    def position(self) -> Position:
        return Position(self.at, self.source, self.row.pk)

    @property
    def opened(self) -> UUID | None:
        """The id of the session that this log-in of the record opened; None: it is something else."""
        is_login = isinstance(self.row, SecurityEvent) and self.row.event == Event.LOGIN
        return self.row.session_id if is_login else None  # type: ignore[union-attr]  # see the line above


@dataclass(frozen=True)
class Timeline:
    """Some moments, newest first, and the positions where the newer and the older pages start; None: there is none."""

    moments: list[Moment]
    newer: Position | None
    older: Position | None


@dataclass(frozen=True)
class Stream:
    """A source of moments: its rows in any order."""

    source: Source
    rows: QuerySet[Any]

    def read(self, count: int, *, after: Position | None, is_newer: bool) -> list[Moment]:
        """Return the next moments after a position, away from it."""
        column = _COLUMN[self.source]
        rows = self.rows.filter(self._beyond(after, is_newer=is_newer)) if after else self.rows
        order = (column, "pk") if is_newer else (f"-{column}", "-pk")
        return [self._moment(row) for row in rows.order_by(*order)[:count]]

    def walk(self) -> Iterator[Moment]:
        """Yield all of its moments, newest first."""
        after: Position | None = None
        while batch := self.read(BATCH, after=after, is_newer=False):
            yield from batch
            after = batch[-1].position

    def _beyond(self, after: Position, *, is_newer: bool) -> Q:
        column, way = _COLUMN[self.source], "gt" if is_newer else "lt"
        if self.source == after.source:
            # The first condition follows from the second one. It is there for the index.
            beyond = Q(**{f"{column}__{way}": after.at}) | Q(**{column: after.at, f"pk__{way}": after.key})
            return Q(**{f"{column}__{way}e": after.at}) & beyond
        comes_at_once = self.source > after.source if is_newer else self.source < after.source
        return Q(**{f"{column}__{way}{'e' if comes_at_once else ''}": after.at})

    def _moment(self, row: Any) -> Moment:
        return Moment(getattr(row, _COLUMN[self.source]), self.source, row)


def streams_about(user: User, *, kind: str = "", with_sessions: bool = True) -> list[Stream]:
    """Return the sources of the timeline of ``user``.

    Args:
        kind: `SESSIONS`, a value of `Kind`, or "" for all.
        with_sessions: whether the reader may see the user's sessions.
    """
    kinds = [Kind(kind)] if kind and kind != SESSIONS else []
    found = [] if kind == SESSIONS else [Stream(Source.RECORDED, entries(user=user, kinds=kinds))]
    sessions = Session.objects.filter(user=user).select_related("app", "device", "ended_by", "bulk_run")
    ended = sessions.filter(ended_at__isnull=False)
    if with_sessions and kind == Kind.ORDERS:
        found.append(ended_by_orders(user))
    elif with_sessions and not kinds:
        found += [Stream(Source.OPENED, sessions), Stream(Source.ENDED, ended)]
    return found


def ended_by_orders(user: User) -> Stream:
    """Return the source of the user's sessions that staff or an operator ended.

    An order for many users has no entry for each of them. Their sessions say which order ended them.
    """
    ended = Session.objects.filter(user=user, ended_at__isnull=False, end_reason__in=_BY_ORDER)
    return Stream(Source.ENDED, ended.select_related("app", "device", "ended_by", "bulk_run"))


def streams_by(actor: User, *, kind: str = "") -> list[Stream]:
    """Return the source of what ``actor``, a member of staff, did to others. ``kind``: a value of `Kind`, or ""."""
    found = entries(kinds=[Kind(kind)] if kind else []).filter(TO_OTHERS, actor=actor)
    return [Stream(Source.RECORDED, found)]


def timeline(
    streams: list[Stream],
    *,
    limit: int,
    older_than: Position | None = None,
    newer_than: Position | None = None,
) -> Timeline:
    """Return at most ``limit`` moments: the newest ones, or those next to a position, on either side of it.

    A log-in is in the record, and opened a session: two moments. Only the session is returned, as long as it exists.
    """
    is_newer = newer_than is not None
    after = newer_than if is_newer else older_than
    hides = len(streams) > 1
    count = 2 * limit if hides else limit  # half of the moments may be hidden
    read = [stream.read(count + 1, after=after, is_newer=is_newer) for stream in streams]
    merged = list(islice(merge(*read, key=_order, reverse=not is_newer), count + 1))
    shown = _without_doubles(merged[:count]) if hides else merged[:count]
    taken = shown[:limit]
    # If some of them are left over, the next page starts after the last one that is shown.
    last = taken[-1] if len(shown) > limit else merged[:count][-1] if len(merged) > count else None
    onward = last.position if last else None
    moments = taken[::-1] if is_newer else taken
    add_notes(moment.row for moment in moments if moment.source is Source.ENDED and isinstance(moment.row, Session))
    back = moments[-1 if is_newer else 0].position if moments and after is not None else None
    return Timeline(moments, *((onward, back) if is_newer else (back, onward)))


def walk(streams: list[Stream]) -> Iterator[Moment]:
    """Yield all moments, newest first. Each batch has its own short statement, so no transaction stays open."""
    return merge(*(stream.walk() for stream in streams), key=_order, reverse=True)


def _order(moment: Moment) -> tuple[Any, ...]:
    return (moment.at, moment.source, moment.row.pk)


def _without_doubles(moments: list[Moment]) -> list[Moment]:
    """Leave out a log-in of the record if the session that it opened still exists: that is a line of its own."""
    opened = {moment.opened for moment in moments if moment.opened}
    existing = set(Session.objects.filter(pk__in=opened).values_list("pk", flat=True)) if opened else set()
    return [moment for moment in moments if moment.opened not in existing]
