"""The filters of an admin list for its template: a form with all of them, and a chip for each active one."""

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

if TYPE_CHECKING:
    from users.keyset_list import KeysetList

SEARCH = "q"


@dataclass(frozen=True)
class Chip:
    """An active filter: what it is about, its value in words, and the URL of the list without it."""

    title: str
    value: str
    url: str


@dataclass(frozen=True)
class Option:
    value: str
    words: str


@dataclass(frozen=True)
class Control:
    """A field of the form. ``kind`` is `select`, `date` or `text`."""

    name: str
    title: str
    kind: str
    value: str
    options: list[Option]
    hint: str


def chips_of(shown: "KeysetList") -> list[Chip]:
    """Return a chip for the search and each active filter. Filters that only links set have one, too."""
    words = {SEARCH: ("search", f"“{shown.query}”")}
    for spec in shown.filter_specs:
        chosen = next((each for each in spec.choices(shown) if each.get("selected")), None)
        words |= {
            name: (str(spec.title), str(chosen["display"]) if chosen else "") for name in spec.expected_parameters()
        }
    chips = []
    for name, values in _given(shown).items():
        title, value = words.get(name, (name.split("__")[0].replace("_", " "), ", ".join(values)))
        chips.append(Chip(title, value or ", ".join(values), shown.get_query_string({name: None})))
    return chips


def controls_of(shown: "KeysetList") -> list[Control]:
    """Return a field for each filter, except for those that only links set."""
    controls = []
    for spec in shown.filter_specs:
        name = spec.expected_parameters()[0]
        kind = getattr(spec, "kind", "select")
        value = next(iter(_given(shown).get(name, [])), "")
        options = [_option(name, choice) for choice in spec.choices(shown)] if kind == "select" else []
        if kind == "select" and value not in [option.value for option in options]:
            continue  # its value is not among the choices, so the form sends it again unchanged
        if kind == "date" and not _is_day(value):
            kind = "text"  # the browser's field for a day would drop it
        if kind != "link":
            controls.append(Control(name, str(spec.title), kind, value, options, getattr(spec, "hint", "")))
    return controls


def hidden_of(shown: "KeysetList", *, without: set[str]) -> list[tuple[str, str]]:
    """Return the names and values of all parameters but those, so that a form keeps them."""
    return [(name, value) for name, values in shown.filter_params.items() if name not in without for value in values]


def _given(shown: "KeysetList") -> dict[str, list[str]]:
    """Return the filters and the search of the URL, by name."""
    ignored = {"o", "_popup", "_to_field", "_facets", "all"}
    return {name: values for name, values in shown.filter_params.items() if name not in ignored and any(values)}


def _is_day(text: str) -> bool:
    try:
        return not text or date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _option(name: str, choice: Any) -> Option:
    """Return what a choice of a filter sets. The filter itself knows only the URL of the list with that choice."""
    values = parse_qs(choice["query_string"].removeprefix("?")).get(name, [""])
    return Option(values[0], str(choice["display"]) if values[0] else "Any")
