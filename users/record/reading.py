"""Read the record, newest first. Nothing here counts all entries of the table or skips over them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from django.db.models import Q, QuerySet

from users.models import App, SecurityEvent, User
from users.permissions import Act, may
from users.record.events import Event, Kind, events_of

# A list with numbers of pages ends here: to count and to skip more entries would take long.
MOST_COUNTED = 10_000


@dataclass(frozen=True)
class Position:
    """The place of an entry in the list. The next page starts right after it, even if entries were added meanwhile."""

    at: datetime
    entry_id: int

    @classmethod
    def of(cls, entry: SecurityEvent) -> Self:
        return cls(entry.at, entry.pk)


@dataclass(frozen=True)
class Page:
    """Some entries, and the position after which the next page starts; None: this is the last one."""

    entries: list[SecurityEvent]
    after: Position | None


def entries(
    *,
    user: User | None = None,
    events: Sequence[Event] = (),
    kinds: Sequence[Kind] = (),
    since: datetime | None = None,
    until: datetime | None = None,
) -> QuerySet[SecurityEvent]:
    """Return the entries, newest first, with `user`, `actor` and `app`.

    Args:
        user: whose account they are about. None: of everybody, of apps and of groups.
        events, kinds: only these events, and the events of these kinds. Both empty: all.
        since, until: the time of the entries; ``since`` is included.
    """
    found = SecurityEvent.objects.select_related("user", "actor", "app").order_by("-at", "-pk")
    if user is not None:
        found = found.filter(user=user)
    if events or kinds:
        wanted = {*events, *(event for kind in kinds for event in events_of(kind))}
        found = found.filter(event__in=sorted(event.value for event in wanted))
    if since is not None:
        found = found.filter(at__gte=since)
    return found if until is None else found.filter(at__lt=until)


def history_of_app(app: App) -> QuerySet[SecurityEvent]:
    """Return the entries about an app itself, newest first. There are few entries about apps."""
    return entries(kinds=[Kind.APPS]).filter(app=app)


def history_of_group(group_id: int) -> QuerySet[SecurityEvent]:
    """Return the entries about a group itself, newest first, also if it was deleted."""
    of_groups = [Event.GROUP_CREATED, Event.GROUP_CHANGED, Event.GROUP_DELETED]
    return entries(events=of_groups).filter(details__group=group_id)


def entries_visible_to(actor: User) -> QuerySet[SecurityEvent]:
    """Return all entries for staff who may see the record, and otherwise those about ``actor``'s own account."""
    return entries() if may(actor, Act.SEE_RECORD) else entries(user=actor)


def page_of(found: QuerySet[SecurityEvent], *, limit: int, after: Position | None = None) -> Page:
    """Return at most ``limit`` entries of `entries`: from the start, or right after a position."""
    if after is not None:
        found = found.filter(Q(at=after.at, pk__lt=after.entry_id) | Q(at__lt=after.at), at__lte=after.at)
    read = list(found[: limit + 1])
    return Page(read[:limit], Position.of(read[limit - 1]) if len(read) > limit else None)


def numbered_page(found: QuerySet[SecurityEvent], *, per_page: int, page: int) -> tuple[list[SecurityEvent], int]:
    """Return that page, and the number of entries on all pages: at most `MOST_COUNTED`. Later pages are empty."""
    start = min((page - 1) * per_page, MOST_COUNTED)
    stop = min(start + per_page, MOST_COUNTED)
    # Not `found.count()`: it would read a million entries.
    count = found.order_by()[:MOST_COUNTED].count()
    return list(found[start:stop]), count
