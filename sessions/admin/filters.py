"""The filters beside the list of sessions. What each means is in `sessions.bulk.listing`."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django.contrib.admin import SimpleListFilter
from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import QuerySet
from django.http import HttpRequest

from sessions.bulk.listing import ENDED, LIVE, conditions
from sessions.bulk.selection import SelectionError
from sessions.inspect.statistics import platforms
from sessions.models import BulkRun, EndReason, Session
from users.clock import database_now
from users.models import App, User

MOST_CHOICES = 12
_PERIODS = [
    ("1h", "in the last hour"),
    ("1d", "in the last 24 hours"),
    ("7d", "in the last 7 days"),
    ("7d-", "more than 7 days ago"),
]


class Narrowing(SimpleListFilter):
    def queryset(self, request: HttpRequest, queryset: QuerySet[Session]) -> QuerySet[Session]:
        value = self.value()
        if not value:
            return queryset
        try:
            return queryset.filter(*conditions(str(self.parameter_name), value, now=database_now()))
        except SelectionError as error:
            raise IncorrectLookupParameters(error) from error


class StateFilter(Narrowing):
    title, parameter_name = "state", "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(LIVE, "Live"), (ENDED, "Ended")]


class AppFilter(Narrowing):
    title, parameter_name = "app", "app"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(App.objects.order_by("name").values_list("pk", "name"))


class PlatformFilter(Narrowing):
    title, parameter_name = "platform", "platform"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        found = platforms()[:MOST_CHOICES]
        chosen = request.GET.get("platform")
        if chosen and chosen not in found:
            found.append(chosen)
        return [(platform, platform) for platform in found]


class SeenFilter(Narrowing):
    title, parameter_name = "last seen", "seen"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return _with_chosen(_PERIODS, request.GET.get("seen"))


class CreatedFilter(Narrowing):
    title, parameter_name = "creation", "created"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return _with_chosen(_PERIODS, request.GET.get("created"))


class ReasonFilter(Narrowing):
    title, parameter_name = "reason of the end", "reason"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterator[tuple[str, str]]:
        return ((reason.value, reason.label) for reason in EndReason)


class Linked(Narrowing):
    """Not offered, but shown where a link has set it, so that it can be taken away."""

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        value = request.GET.get(str(self.parameter_name))
        return [(value, self.words(value))] if value else []

    def words(self, value: str) -> str:
        return value


class EndedOnFilter(Linked):
    title, parameter_name = "day on which it ended", "ended"


class LiveOnFilter(Linked):
    title, parameter_name = "day at whose end it was live", "live_on"


class UserFilter(Linked):
    title, parameter_name = "user", "user"

    def words(self, value: str) -> str:
        user = User.objects.filter(pk=value).first()
        return user.username if user else value


class RunFilter(Linked):
    title, parameter_name = "bulk run", "run"

    def words(self, value: str) -> str:
        try:
            return str(BulkRun.objects.filter(pk=UUID(value)).first() or value)
        except ValueError:
            return value


FILTERS: list[type[Narrowing]] = [
    *(StateFilter, AppFilter, PlatformFilter, SeenFilter, CreatedFilter, ReasonFilter),
    *(EndedOnFilter, LiveOnFilter, UserFilter, RunFilter),
]


def _with_chosen(choices: list[tuple[str, str]], chosen: str | None) -> list[tuple[str, str]]:
    if chosen and chosen not in dict(choices):
        return [*choices, (chosen, chosen)]
    return list(choices)
