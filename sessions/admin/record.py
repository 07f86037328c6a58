"""The record in the admin: the list of all entries, and the page of one. Nobody changes or deletes an entry."""

from operator import attrgetter
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from unfold.decorators import display

from sessions.models import Session
from users.admin import ReadOnly
from users.admin_lists import as_it_is
from users.identities import find_user_by_identity
from users.models import SecurityEvent, User, is_object_id
from users.models.security_event import TO_OTHERS
from users.record.events import Event, Kind, Outcome, events_of
from users.record.lines import facts_of, line_of, page_of_user, what_happened, who_ordered


class OfKind(admin.SimpleListFilter):
    title = "kind"
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(kind.value, str(kind.label)) for kind in Kind]

    def queryset(self, request: HttpRequest, queryset: QuerySet[SecurityEvent]) -> QuerySet[SecurityEvent]:
        kind = self.value()
        return queryset.filter(event__in=events_of(Kind(kind))) if kind and kind in Kind else queryset


class OfEvent(admin.SimpleListFilter):
    title = "event"
    parameter_name = "event"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(event.value, str(event.label)) for event in Event]

    def queryset(self, request: HttpRequest, queryset: QuerySet[SecurityEvent]) -> QuerySet[SecurityEvent]:
        return queryset.filter(event=self.value()) if self.value() else queryset


class ByActor(admin.SimpleListFilter):
    """Who ordered it: a kind of actor, or the id of a user, for links from other pages."""

    title = "who ordered it"
    parameter_name = "by"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        kinds = [("staff", "staff, for others"), ("operator", "an operator's command")]
        chosen = request.GET.get(self.parameter_name, "")
        user = User.objects.filter(pk=chosen).first() if is_object_id(chosen) else None
        return [*kinds, (user.pk, user.username)] if user else kinds

    def queryset(self, request: HttpRequest, queryset: QuerySet[SecurityEvent]) -> QuerySet[SecurityEvent]:
        chosen = self.value()
        if chosen == "staff":
            return queryset.filter(TO_OTHERS, actor__isnull=False)
        if chosen == "operator":
            return queryset.exclude(operator="")
        return queryset.filter(TO_OTHERS, actor=chosen) if chosen else queryset


@admin.register(SecurityEvent)
class SecurityEventAdmin(ReadOnly):
    when_empty = "Log-ins, changes of accounts and orders of staff are recorded here."
    list_display = ["time", "what", "whose", "who", "address", "result"]
    list_display_links = ["time"]
    list_filter = [OfKind, OfEvent, ByActor]
    list_select_related = ["user", "actor"]
    search_fields = ["id"]  # the value only shows the search box; `get_search_results` searches
    search_help_text = "The user it is about: user name, email, phone number or id"
    ordering = ["-at", "-pk"]
    sortable_by = ["time"]  # in any other order every entry would have to be read
    jumps = {"at": as_it_is}
    exported = {"time": attrgetter("at")}
    change_form_template = "sessions/entry.html"

    @admin.display(description="time (UTC)", ordering="at")
    def time(self, entry: SecurityEvent) -> str:
        return f"{entry.at:%Y-%m-%d %H:%M:%S}"

    @admin.display(description="what")
    def what(self, entry: SecurityEvent) -> str:
        return what_happened(entry)

    @admin.display(description="user")
    def whose(self, entry: SecurityEvent) -> str | None:
        return entry.user.username if entry.user else None

    @admin.display(description="by")
    def who(self, entry: SecurityEvent) -> str:
        return who_ordered(entry)

    @admin.display(description="from")
    def address(self, entry: SecurityEvent) -> str | None:
        return entry.ip

    @display(description="outcome", label={"done": "", "refused": "warning"})
    def result(self, entry: SecurityEvent) -> str:
        return entry.outcome

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        return lookup in {each.parameter_name for each in self.list_filter}

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[SecurityEvent], search_term: str
    ) -> tuple[QuerySet[SecurityEvent], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        user_id = term if is_object_id(term) else getattr(find_user_by_identity(term), "pk", None)
        return (queryset.filter(user=user_id) if user_id else queryset.none()), False

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        entry = self.get_object(request, object_id)
        extra: dict[str, Any] = {"title": "Entry of the record"}
        if entry is not None:
            session = Session.objects.filter(pk=entry.session_id).first() if entry.session_id else None
            extra |= {
                "entry": entry,
                "line": line_of(entry),
                "facts": facts_of(entry.details),
                "is_refused": entry.outcome == Outcome.REFUSED,
                "user_url": page_of_user(entry.user_id) if entry.user else "",
                "session_url": _page_of(session) if session else "",
                "run_url": _page_of_run(entry.details.get("run")),
            }
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **extra})


def _page_of(session: Session) -> str:
    return reverse("admin:user_sessions_session_change", args=[session.pk])


def _page_of_run(run: str | None) -> str:
    return reverse("admin:user_sessions_bulkrun_change", args=[run]) if run else ""
