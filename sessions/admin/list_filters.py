"""The filters of the list of sessions, one for each parameter in `sessions.selection.listing`."""

from typing import Any

from django.contrib.admin import SimpleListFilter
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.text import capfirst

from sessions.admin.confirm import actor_of
from sessions.models import Session
from sessions.selection.errors import SelectionError
from sessions.selection.listing import PARAMETERS, conditions
from sessions.selection.parameters import ListParameter
from sessions.selection.search import value_of
from users.admin_lists import WrongFilter
from users.clock import database_now


class ParameterFilter(SimpleListFilter):
    """A parameter of the list. `users.admin_filters` reads `kind` and `hint`."""

    parameter: ListParameter
    parameter_name: str
    kind: str
    hint: str

    def has_output(self) -> bool:
        """Return whether the list has the filter now. A country, for example, is known with GEOIP_PATH only."""
        return self.kind in ("date", "text") or super().has_output()

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        offered = list(self.parameter.choices()) if self.parameter.choices else []
        chosen = request.GET.get(self.parameter_name)
        if chosen and chosen not in dict(offered):
            offered.append((chosen, self.parameter.words(chosen)))
        return offered

    def queryset(self, request: HttpRequest, queryset: QuerySet[Session]) -> QuerySet[Session]:
        value = self.value()
        if not value:
            return queryset
        try:
            value = value_of(actor_of(request), self.parameter_name, value)
            return queryset.filter(*conditions(self.parameter_name, value, now=database_now()))
        except SelectionError as error:
            raise WrongFilter(f"{capfirst(str(self.title))}: {error}") from error


def _filter_for(parameter: ListParameter) -> type[ParameterFilter]:
    facts = {"parameter": parameter, "parameter_name": parameter.name, "title": parameter.title}
    facts |= {"kind": parameter.kind, "hint": parameter.hint}
    return type(f"{parameter.name.title()}Filter", (ParameterFilter,), facts)


LIST_FILTERS = [_filter_for(parameter) for parameter in PARAMETERS.values()]
