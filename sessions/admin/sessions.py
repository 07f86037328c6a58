"""The list of sessions and the page of one session."""

from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from unfold.decorators import display

from sessions.admin.confirm import actor_of
from sessions.admin.list_filters import LIST_FILTERS
from sessions.admin.session_acts import EndsSessions, is_uuid, may_end
from sessions.client_names import client_name
from sessions.ids import first_id
from sessions.inspect.end_notes import add_notes
from sessions.models import Session
from sessions.selection.listing import PARAMETERS
from sessions.selection.search import matching, search_of
from users.admin_lists import as_it_is
from users.clock import DatabaseNow


@admin.register(Session)
class SessionAdmin(EndsSessions):
    when_empty = "Sessions appear when users log in. To see some, run: manage.py demo"
    list_display = ["who", "state", "app", "on", "address", "location", "opened", "last_seen", "ended"]
    list_filter = LIST_FILTERS
    list_select_related = ["user", "app", "device"]
    list_per_page = 50
    search_fields = ["id"]  # the value only shows the search box; `get_search_results` searches
    search_help_text = "Name, email, phone number, id, IP or network, device token"
    ordering = ["-id"]  # by time, because ids begin with it
    jumps = {"id": first_id, "ended_at": as_it_is}
    change_form_template = "sessions/session.html"

    @admin.display(description="user")
    def who(self, session: Session) -> str:
        return session.user.username if session.user else "app-level"

    @display(description="state", label={"live": "success", "ended": "", "blocked": "warning"})
    def state(self, session: Session) -> str:
        return state_of(session)

    @admin.display(description="client")
    def on(self, session: Session) -> str:
        return client_name(session)

    @admin.display(description="IP")
    def address(self, session: Session) -> str | None:
        return session.ip

    @admin.display(description="location")
    def location(self, session: Session) -> str | None:
        return render_to_string("sessions/_location.html", {"session": session}) if session.location else None

    @admin.display(description="opened (UTC)", ordering="id")
    def opened(self, session: Session) -> datetime:
        return session.created_at

    @admin.display(description="last seen (UTC)")
    def last_seen(self, session: Session) -> datetime:
        return session.last_seen_at

    @admin.display(description="ended (UTC)", ordering="ended_at")
    def ended(self, session: Session) -> datetime | None:
        return session.ended_at

    def get_list_display(self, request: HttpRequest) -> list[str]:
        hidden = {"location"} if settings.GEOIP_PATH is None else set()
        return [name for name in super().get_list_display(request) if name not in hidden]

    def get_sortable_by(self, request: HttpRequest) -> list[str]:
        """Sort by the opening, or by the end if the list shows ended sessions only. No index has another order."""
        given = ((name, str(text)) for name, text in request.GET.items() if name in PARAMETERS and text)
        return ["opened", *(["ended"] if any(PARAMETERS[name].shows_ended(text) for name, text in given) else [])]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Session]:
        # `state_of` needs the time. As an annotation it costs no extra query per row.
        return super().get_queryset(request).annotate(checked_at=DatabaseNow())

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        # The list allows only filters that also narrow the sessions that are ended from it.
        return lookup in PARAMETERS

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Session], search_term: str
    ) -> tuple[QuerySet[Session], bool]:
        search = search_of(actor_of(request), search_term)
        return (queryset.filter(matching(search)) if search else queryset), False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if request.method == "POST":
            if not self.has_end_permission(request):
                raise PermissionDenied
            if not all(map(is_uuid, request.POST.getlist("_selected_action"))):
                raise SuspiciousOperation("A selected id is not the id of a session.")
        return super().changelist_view(request, extra_context)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        session = self.get_object(request, object_id)
        extra: dict[str, Any] = {"title": "Session"}
        if session is not None:
            add_notes([session])
            extra |= {"session": session, "state": state_of(session), "may_end": may_end(request, session)}
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **extra})


def state_of(session: Session) -> str:
    """Return `live`, `ended`, or `blocked`: not ended, but no longer accepted, for example after a time-out."""
    if session.ended_at:
        return "ended"
    return "blocked" if session.refusal(session.checked_at) else "live"
