"""The classes of filters and options. `sessions.selection.filters` declares each filter with them."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import Q

from sessions.selection.parameters import ListParameter
from sessions.selection.words import since, time_before, time_span, values_in_words


@dataclass(frozen=True)
class Option:
    """An option of `manage.py logout` and `manage.py sessions` that sets a filter."""

    flag: str
    metavar: str
    help: str

    @property
    def name(self) -> str:
        """The name of the option's value in argparse's namespace."""
        return self.flag.removeprefix("--").replace("-", "_")


@dataclass(frozen=True)
class Switch(Option):
    """An option without a value."""

    metavar: str = ""
    help: str = ""


@dataclass(frozen=True)
class OneValue(Option):
    """An option that can be given once. ``parse`` reads its text. Raises: SelectionError."""

    parse: Callable[[str], Any]


@dataclass(frozen=True)
class Values(Option):
    """An option that can be given several times.

    Args:
        read: turns all texts into the filter's values. Raises: SelectionError, without the option's name.
        lines_of: reads the texts from a file. With it, the option takes names of files.
    """

    read: Callable[[list[str]], Iterable[str]] = list
    lines_of: Callable[[str], list[str]] | None = None


@dataclass(frozen=True, kw_only=True)
class Filter:
    """One filter: how it selects rows, how it is worded, and how commands and the admin's list set it.

    Args:
        label: what the filter is about, for people.
        plural: the label for more than one value, if it differs.
        reads_on: whether label and value read as one phrase: "not used for 30 days".
        condition: makes the condition on sessions from a value.
        words: words a value for people.
        check: refuses wrong values. Raises: SelectionError.
        options: how commands set it; none if they can't.
        in_list: the parameters by which the admin's list of sessions sets it; none if it can't.
    """

    label: str
    condition: Callable[[Any], Q]
    words: Callable[[Any], str] = str
    plural: str = ""
    reads_on: bool = False
    check: Callable[[Any], object] = lambda _: None
    options: Sequence[Option] = ()
    in_list: Sequence[ListParameter] = ()

    def label_of(self, value: Any) -> str:
        """Return the label for ``value``: singular or plural."""
        return self.label

    def rule(self, value: Any, now: datetime) -> Q:
        """Return the condition on sessions at ``now``."""
        return self.condition(value)

    def to_json(self, value: Any) -> Any:
        """Return ``value`` as it is stored with an order. Equal values have equal forms: fingerprints need that."""
        return value

    def from_json(self, stored: Any) -> Any:
        """Return the value that `to_json` has stored."""
        return stored

    def narrowest(self, values: Sequence[Any]) -> Any:
        """Combine the values that several parameters of the admin's list set."""
        return values[-1]

    def combined(self, given: Sequence[Any]) -> Any:
        """Combine the values that several options set."""
        return given[0]


@dataclass(frozen=True, kw_only=True)
class AnyOf(Filter):
    """A filter with one or several texts. A session matches if it has any of them.

    Args: combine: joins the values of several options; by default a session may match any option.
    """

    words: Callable[[tuple[str, ...]], str] = values_in_words
    combine: Callable[..., set[str]] = set.union

    def label_of(self, value: tuple[str, ...]) -> str:
        return self.plural if self.plural and len(value) != 1 else self.label

    def to_json(self, value: tuple[str, ...]) -> list[str]:
        return sorted(set(value))

    def from_json(self, stored: list[str]) -> tuple[str, ...]:
        return tuple(stored)

    def combined(self, given: Sequence[Iterable[str]]) -> tuple[str, ...]:
        return tuple(sorted(self.combine(*map(set, given))))


@dataclass(frozen=True, kw_only=True)
class _Moment(Filter):
    reads_on: bool = True

    def to_json(self, value: datetime) -> str:
        return value.astimezone(UTC).isoformat()

    def from_json(self, stored: str) -> datetime:
        return datetime.fromisoformat(stored)


@dataclass(frozen=True, kw_only=True)
class Since(_Moment):
    """A filter by a time: something happened then or later."""

    words: Callable[[datetime], str] = since

    def narrowest(self, values: Sequence[datetime]) -> datetime:
        return max(values)


@dataclass(frozen=True, kw_only=True)
class Before(_Moment):
    """A filter by a time: something happened earlier."""

    words: Callable[[datetime], str] = time_before

    def narrowest(self, values: Sequence[datetime]) -> datetime:
        return min(values)


@dataclass(frozen=True, kw_only=True)
class Ago(Filter):
    """A filter by a length of time up to now. ``condition`` takes the moment when it began."""

    words: Callable[[timedelta], str] = time_span
    reads_on: bool = True

    def rule(self, value: timedelta, now: datetime) -> Q:
        return self.condition(now - value)

    def to_json(self, value: timedelta) -> float:
        return value.total_seconds()

    def from_json(self, stored: float) -> timedelta:
        return timedelta(seconds=stored)
