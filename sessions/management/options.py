"""The filters of `sessions.selection.filters` as options of `logout` and `sessions`."""

from argparse import Action, ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable
from typing import Any, TypeVar

from sessions.selection.errors import SelectionError
from sessions.selection.files import STDIN
from sessions.selection.filter_types import Filter, OneValue, Option, Switch, Values
from sessions.selection.filters import FILTERS
from sessions.selection.selection import Selection

T = TypeVar("T")
_OPTIONS = [option for declared in FILTERS.values() for option in declared.options]


class Once(Action):
    """An option that refuses a second value. argparse would silently use the last one."""

    def __call__(
        self, parser: ArgumentParser, namespace: Namespace, values: Any, option_string: str | None = None
    ) -> None:
        if getattr(namespace, self.dest) is not None:
            parser.error(f"{option_string} is given twice")
        setattr(namespace, self.dest, values)


def argument(parse: Callable[[str], T]) -> Callable[[str], T]:
    """Make a `type` for an argument from ``parse``. argparse then shows the text of its SelectionError."""

    def parsed(text: str) -> T:
        try:
            return parse(text)
        except SelectionError as error:
            raise ArgumentTypeError(str(error)) from None

    return parsed


def add_filters(parser: ArgumentParser) -> None:
    group = parser.add_argument_group(
        "filters", "Each filter narrows the selection. Several values of one filter mean any of them."
    )
    for option in _OPTIONS:
        group.add_argument(option.flag, help=option.help, **_action(option))


def _action(option: Option) -> dict[str, Any]:
    if isinstance(option, Switch):
        return {"action": "store_true"}
    if isinstance(option, OneValue):
        return {"metavar": option.metavar, "type": argument(option.parse), "action": Once}
    return {"metavar": option.metavar, "action": "append"}


def is_filtered(options: dict[str, Any]) -> bool:
    return any(_is_given(option, options) for option in _OPTIONS)


def reads_stdin(options: dict[str, Any]) -> bool:
    """Return whether a filter reads standard input. Then no question can be answered there."""
    return bool(_from_stdin(options))


def selection_of(options: dict[str, Any]) -> Selection:
    """Return the selection that the options describe.

    Raises: SelectionError, for a wrong value and for users, apps and sessions that don't exist.
    """
    if len(_from_stdin(options)) > 1:
        raise SelectionError("Standard input can be read once: only one option can be given as -.")
    return Selection(
        **{name: _value(declared, options) for name, declared in FILTERS.items() if _given(declared, options)}
    )


def _is_given(option: Option, options: dict[str, Any]) -> bool:
    return options[option.name] not in (None, False)


def _given(declared: Filter, options: dict[str, Any]) -> list[Option]:
    return [option for option in declared.options if _is_given(option, options)]


def _from_stdin(options: dict[str, Any]) -> list[str]:
    files = [option for option in _OPTIONS if isinstance(option, Values) and option.lines_of]
    return [path for option in files for path in options[option.name] or () if path == STDIN]


def _value(declared: Filter, options: dict[str, Any]) -> Any:
    return declared.combined([_read(option, options[option.name]) for option in _given(declared, options)])


def _read(option: Option, given: Any) -> Any:
    """Return the value that an option sets. Raises: SelectionError, whose text names the option."""
    if not isinstance(option, Values):
        return given
    try:
        texts = [line for path in given for line in option.lines_of(path)] if option.lines_of else given
        return option.read(texts)
    except SelectionError as error:
        raise SelectionError(f"{option.flag}: {error}") from error
