"""The admin's list of sessions: what staff narrow it to, as conditions of the list and as a `Selection`.

Both from one place, so that "log out all that match" means what the list shows.
"""

import re
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Q

from sessions.bulk.selection import Selection, SelectionError
from sessions.ids import first_id, start_of

LIVE, ENDED = "live", "ended"
UNKNOWN_PLATFORM = "unknown"
# Who narrows the list to one of these looks at sessions that have ended.
_OF_ENDED = ("reason", "ended", "run")
# A session's id is made a moment before or after it is created.
_SLACK = timedelta(minutes=1)
_UNITS = {"h": "hours", "d": "days"}


def conditions(name: str, value: str, *, now: datetime) -> list[Q]:
    """What the list is narrowed to by one of its filters. Raises: SelectionError, for a value that is none."""
    if name == "state":
        return [Q(ended_at__isnull=value != ENDED)]
    if name == "reason":
        return [Q(end_reason=value, ended_at__isnull=False)]
    if name == "ended":
        after, before = _span(value, now)
        return [Q(ended_at__isnull=False), Q(ended_at__gte=after or start_of(date.min)), Q(ended_at__lt=before or now)]
    if name == "run":
        return [Q(bulk_run=_uuid(value))]
    if name == "live_on":
        end = _end_of(value)
        return [Q(created_at__lt=end), _opened_before(end), Q(ended_at=None) | Q(ended_at__gte=end)]
    selected = _selected(name, value, now)
    before = selected.get("created_before", selected.get("seen_before"))
    return [*Selection(**selected).rules(now), *([_opened_before(before)] if before else [])]


def selection_of(narrowed: Mapping[str, str], *, search: str = "", now: datetime) -> Selection | None:
    """The live sessions among those that the list shows; None, when it shows ended ones only.

    Of a list that nothing narrows, everyone's. Raises: SelectionError.
    """
    if narrowed.get("state") == ENDED or any(narrowed.get(name) for name in _OF_ENDED):
        return None
    given: dict[str, Any] = {"search": search.strip()} if search.strip() else {}
    for name, value in narrowed.items():
        if name == "state":
            continue
        for field, wanted in _selected(name, value, now).items():
            # Two bounds of one kind: the narrower one.
            both = (given.get(field, wanted), wanted)
            given[field] = max(both) if field.endswith("_after") else min(both) if field.endswith("_before") else wanted
    return Selection(**given) if given else Selection(everyone=True)


def _opened_before(moment: datetime) -> Q:
    """Implied by "created" or "last seen before": newest first, the list would pass all those that are newer."""
    return Q(pk__lt=first_id(moment + _SLACK))


def _selected(name: str, value: str, now: datetime) -> dict[str, Any]:
    if name == "user":
        return {"users": (value,)}
    if name == "app":
        return {"apps": (value,)}
    if name == "platform":
        return {"platforms": ("" if value == UNKNOWN_PLATFORM else value,)}
    if name == "live_on":
        # Of those that are live still: opened by then.
        return {"created_before": _end_of(value)}
    if name in ("seen", "created"):
        after, before = _span(value, now)
        bounds = {f"{name}_after": after, f"{name}_before": before}
        return {field: bound for field, bound in bounds.items() if bound is not None}
    raise SelectionError(f"{name} is no filter of this list.")


def _span(text: str, now: datetime) -> tuple[datetime | None, datetime | None]:
    """`7d`: within the last seven days; `7d-`: longer ago; `2026-11-21`: that day (UTC)."""
    if match := re.fullmatch(r"(\d{1,4})([hd])(-?)", text):
        then = now - timedelta(**{_UNITS[match[2]]: int(match[1])})
        return (None, then) if match[3] else (then, None)
    return start_of(_day(text)), _end_of(text)


def _end_of(text: str) -> datetime:
    return start_of(_day(text) + timedelta(days=1))


def _day(text: str) -> date:
    try:
        day = date.fromisoformat(text)
        return min(day, date.max - timedelta(days=2))
    except ValueError as error:
        raise SelectionError(f"{text!r} is not a day, such as 2026-11-21.") from error


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise SelectionError(f"{text!r} is no id of a run.") from error
