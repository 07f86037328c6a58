"""The URL parameters that narrow the admin's list of sessions: their values, their titles and their choices."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Q, Sum

from sessions.ids import first_id, start_of
from sessions.models import BulkRun, EndReason, Figure
from sessions.selection import values
from sessions.selection.errors import SelectionError
from users.addresses import plain_network
from users.models import App, User, is_object_id

LIVE, ENDED = "live", "ended"
UNKNOWN_PLATFORM = "unknown"
MOST_CHOICES = 12
# A session's id may be made a moment before or after its `created_at`.
_SLACK = timedelta(minutes=1)
_UNITS = {"h": "hours", "d": "days"}
_PERIODS = (
    ("1h", "in the last hour"),
    ("1d", "in the last 24 hours"),
    ("7d", "in the last 7 days"),
    ("7d-", "more than 7 days ago"),
)


@dataclass(frozen=True, kw_only=True)
class ListParameter:
    """A parameter of the list.

    Args:
        name: its name in the URL. Bookmarks depend on it.
        title: its title in the sidebar.
        choices: its values and their words, offered in the sidebar. Without them only links set the parameter.
        words: words a value that is not among the choices.
        value: turns a value of the parameter into the filter's value. Raises: SelectionError.
        of_ended: whether the parameter narrows the list to sessions that have ended.
        kind: how staff set it: `select` one of the choices, type a `date` or a `text`, or follow a `link` only.
        hint: an example, for what staff type.
    """

    name: str
    title: str
    choices: Callable[[], Iterable[tuple[str, str]]] | None = None
    words: Callable[[str], str] = str
    value: Callable[[str], str] = str
    of_ended: bool = False
    kind: str = "select"
    hint: str = ""

    def shows_ended(self, text: str) -> bool:
        """Return whether the list then shows ended sessions only."""
        return self.of_ended

    def selected(self, filter_name: str, text: str, now: datetime) -> dict[str, Any]:
        """Return the filters of a `Selection` that a value sets, by name. Raises: SelectionError."""
        return {filter_name: (self.value(text),)}

    def conditions(self, text: str, now: datetime) -> list[Q]:
        """Return conditions that narrow the list further than these filters. Raises: SelectionError."""
        return [Q(ended_at__isnull=False)] if self.of_ended else []


@dataclass(frozen=True, kw_only=True)
class Period(ListParameter):
    """A period that sets two filters: ``{stem}_after`` and ``{stem}_before``.

    Values: `7d` means within the last seven days, `7d-` more than seven days ago, `2026-11-21` on that day (UTC).
    """

    stem: str
    choices: Callable[[], Iterable[tuple[str, str]]] | None = lambda: _PERIODS

    def selected(self, filter_name: str, text: str, now: datetime) -> dict[str, Any]:
        after, before = _span(text, now)
        bounds = {f"{self.stem}_after": after, f"{self.stem}_before": before}
        return {name: bound for name, bound in bounds.items() if bound is not None}

    def conditions(self, text: str, now: datetime) -> list[Q]:
        _, before = _span(text, now)
        return [_opened_before(before)] if before else []


@dataclass(frozen=True, kw_only=True)
class From(ListParameter):
    """The first day of a period, or its first moment."""

    kind: str = "date"

    def selected(self, filter_name: str, text: str, now: datetime) -> dict[str, Any]:
        return {filter_name: _moment_or_day(text)[0]}

    def conditions(self, text: str, now: datetime) -> list[Q]:
        return [_opened_after(_moment_or_day(text)[0])]


@dataclass(frozen=True, kw_only=True)
class Until(ListParameter):
    """The last day of a period, or the moment before which it ends."""

    kind: str = "date"

    def selected(self, filter_name: str, text: str, now: datetime) -> dict[str, Any]:
        return {filter_name: _moment_or_day(text)[1]}

    def conditions(self, text: str, now: datetime) -> list[Q]:
        return [_opened_before(_moment_or_day(text)[1])]


@dataclass(frozen=True, kw_only=True)
class NotSeenFor(ListParameter):
    """A time for which a live session was not seen, such as `20` or `20d`, which are days, or `12h`."""

    kind: str = "text"

    def selected(self, filter_name: str, text: str, now: datetime) -> dict[str, Any]:
        return {filter_name: idle_time(text)}

    def conditions(self, text: str, now: datetime) -> list[Q]:
        return [Q(ended_at=None), _opened_before(now - idle_time(text))]


# --- parameters that are no filters of a selection -----------------------------------------------


class State(ListParameter):
    """Whether the list shows live or ended sessions."""

    def shows_ended(self, text: str) -> bool:
        return text == ENDED

    def selected(self, filter_name: str, text: str, now: datetime) -> dict[str, Any]:
        return {}

    def conditions(self, text: str, now: datetime) -> list[Q]:
        return [Q(ended_at__isnull=text != ENDED)]


class EndedOn(ListParameter):
    """The period in which a session ended, with the values of `Period`."""

    def selected(self, filter_name: str, text: str, now: datetime) -> dict[str, Any]:
        return {}

    def conditions(self, text: str, now: datetime) -> list[Q]:
        after, before = _span(text, now)
        return [
            *super().conditions(text, now),
            Q(ended_at__gte=after or start_of(date.min), ended_at__lt=before or now),
        ]


class LiveOn(ListParameter):
    """The sessions that were live at the end of a day. As a filter: live sessions that were opened before that time."""

    def selected(self, filter_name: str, text: str, now: datetime) -> dict[str, Any]:
        return {"created_before": _end_of(text)}

    def conditions(self, text: str, now: datetime) -> list[Q]:
        end = _end_of(text)
        return [_opened_before(end), Q(ended_at=None) | Q(ended_at__gte=end)]


class Run(ListParameter):
    """The bulk run that ended a session."""

    def selected(self, filter_name: str, text: str, now: datetime) -> dict[str, Any]:
        return {}

    def conditions(self, text: str, now: datetime) -> list[Q]:
        try:
            return [Q(bulk_run=UUID(text))]
        except ValueError as error:
            raise SelectionError(f"{text!r} is not the id of a bulk run.") from error


# --- choices and words ---------------------------------------------------------------------------


def states() -> list[tuple[str, str]]:
    return [(LIVE, "Live"), (ENDED, "Ended")]


def apps() -> list[tuple[str, str]]:
    return list(App.objects.order_by("name").values_list("pk", "name"))


def platforms() -> list[tuple[str, str]]:
    """Return the known platforms of live sessions, the most frequent ones first."""
    rows = Figure.objects.filter(kind=Figure.Kind.LIVE).exclude(label="").values("label")
    found = rows.annotate(n=Sum("count")).order_by("-n", "label").values_list("label", flat=True)
    return [(platform, platform) for platform in found[:MOST_CHOICES]]


def countries() -> list[tuple[str, str]]:
    """Return code and name of the countries of live sessions, the most frequent ones first."""
    rows = Figure.objects.filter(kind=Figure.Kind.COUNTRY).order_by("-count", "label")
    # `sessions.inspect.statistics` writes the label: code and name.
    found = [label.split(" ", 1) for label in rows.values_list("label", flat=True)[:MOST_CHOICES]]
    return [(each[0], each[-1]) for each in found]


def reasons() -> list[tuple[str, str]]:
    return [(reason.value, reason.label) for reason in EndReason]


def username(user_id: str) -> str:
    user = User.objects.filter(pk=user_id).first()
    return user.username if user else user_id


def run_in_words(run_id: str) -> str:
    try:
        return str(BulkRun.objects.filter(pk=UUID(run_id)).first() or run_id)
    except ValueError:
        return run_id


def user_named(text: str) -> str:
    """Return the id of the user with that name, email or id. Raises: SelectionError."""
    return text if is_object_id(text) else values.users_by_any_name([text.strip()])[0]


def network(text: str) -> str:
    """Return an address or a network as sessions' filters take it. Raises: SelectionError."""
    try:
        return plain_network(text.strip(), strict=False)
    except ValueError as error:
        raise SelectionError(f"{text[:80]!r} is no IP address and no network, such as 192.0.2.0/24.") from error


def platform_named(text: str) -> str:
    """Return the platform as sessions store it. An unknown one is ""."""
    return "" if text == UNKNOWN_PLATFORM else text


# --- times ---------------------------------------------------------------------------------------


def _opened_after(moment: datetime) -> Q:
    """Return a condition that "opened after" implies. With it PostgreSQL stops there."""
    return Q(pk__gte=first_id(max(moment, start_of(date(1970, 1, 2))) - _SLACK))


def _opened_before(moment: datetime) -> Q:
    """Return a condition that "created before" and "last seen before" imply.

    With it PostgreSQL starts in the middle of the index. Without it PostgreSQL would read all newer sessions first.
    """
    return Q(pk__lt=first_id(moment + _SLACK))


def idle_time(text: str) -> timedelta:
    """Read a length of time; a bare number means days. Raises: SelectionError."""
    plain = re.sub(r"[\s,]*(days?|d)?\s*$", "", text.strip().lower())
    return values.duration(f"{plain}d" if plain.isdecimal() else text.strip().lower())


def _moment_or_day(text: str) -> tuple[datetime, datetime]:
    """Return the begin and the end of a day (UTC); of a moment, the moment itself. Raises: SelectionError."""
    if "T" not in text:
        return start_of(_day(text)), _end_of(text)
    try:
        at = datetime.fromisoformat(text)
        at = at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise SelectionError(f"{text[:80]!r} is not a time, such as 2026-11-21T03:00.") from error
    at = max(at, start_of(date(1970, 1, 1)))
    return at, at


def _span(text: str, now: datetime) -> tuple[datetime | None, datetime | None]:
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
