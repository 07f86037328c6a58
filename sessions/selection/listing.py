"""The admin's list of sessions: turns the parameters of its URL into conditions on the list, and into a `Selection`.

Both come from one declaration. So "end all that match" ends exactly the sessions that the list shows.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db.models import Q

from sessions.selection import parameters
from sessions.selection.errors import SelectionError
from sessions.selection.filters import FILTERS
from sessions.selection.parameters import EndedOn, ListParameter, LiveOn, Run, State
from sessions.selection.selection import Selection

# Each parameter with the filter that it sets. The first and the last ones set no filter of a selection.
_DECLARED: list[tuple[str, ListParameter]] = [
    ("", State(name="state", title="state", choices=parameters.states)),
    *((name, parameter) for name, declared in FILTERS.items() for parameter in declared.in_list),
    ("", EndedOn(name="ended", title="ended on", of_ended=True, kind="date")),
    ("", LiveOn(name="live_on", title="day at whose end it was live", kind="link")),
    ("", Run(name="run", title="bulk run", words=parameters.run_in_words, of_ended=True, kind="link")),
]
_FILTER_OF = {parameter.name: filter_name for filter_name, parameter in _DECLARED}
# By name, in the order of the form.
PARAMETERS = {parameter.name: parameter for _, parameter in _DECLARED}


def conditions(name: str, text: str, *, now: datetime) -> list[Q]:
    """Return the conditions on the list for a value of a parameter. Raises: SelectionError, for a wrong value."""
    parameter = _parameter(name)
    selected = parameter.selected(_FILTER_OF[name], text, now)
    rules = Selection(**selected).rules(now) if selected else ()
    return [*rules, *parameter.conditions(text, now)]


def selection_of(narrowed: Mapping[str, str], *, search: str = "", now: datetime) -> Selection | None:
    """Select the live sessions that the list shows. None, if it shows ended ones only.

    Without any parameter it selects everyone's sessions. Raises: SelectionError.
    """
    given: dict[str, list[Any]] = {"search": [search.strip()]} if search.strip() else {}
    for name, text in narrowed.items():
        parameter = _parameter(name)
        if parameter.shows_ended(text):
            return None
        for filter_name, value in parameter.selected(_FILTER_OF[name], text, now).items():
            given.setdefault(filter_name, []).append(value)
    values = {name: FILTERS[name].narrowest(values) for name, values in given.items()}
    return Selection(**values) if values else Selection(everyone=True)


def _parameter(name: str) -> ListParameter:
    if name not in PARAMETERS:
        raise SelectionError(f"{name} is no filter of this list.")
    return PARAMETERS[name]
