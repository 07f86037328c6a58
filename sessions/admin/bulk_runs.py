"""The pages of bulk runs: the record of every order to end sessions, from the admin or `manage.py`. It is read-only."""

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from unfold.decorators import display

from sessions.bulk.resume import state_of
from sessions.models import BulkRun
from sessions.selection.describe import in_one_line, in_words
from sessions.selection.selection import Selection
from users.admin import ReadOnly
from users.admin_lists import as_it_is


@admin.register(BulkRun)
class BulkRunAdmin(ReadOnly):
    when_empty = "Select sessions in their list and end them, or use: manage.py logout"
    list_display = ["started", "who", "what", "why", "progress", "state", "finished"]
    list_filter = ["source"]
    list_select_related = ["actor"]
    search_fields = ["actor__username__iexact", "operator__istartswith", "request_id__iexact"]
    search_help_text = "User name of staff, user@host, request id"
    ordering = ["-started_at"]
    sortable_by = ["started"]
    jumps = {"started_at": as_it_is}
    change_form_template = "sessions/run.html"

    @admin.display(description="started (UTC)", ordering="started_at")
    def started(self, run: BulkRun) -> datetime:
        return run.started_at

    @admin.display(description="finished (UTC)")
    def finished(self, run: BulkRun) -> datetime | None:
        return run.finished_at

    @admin.display(description="who")
    def who(self, run: BulkRun) -> str:
        return who_ordered(run)

    @admin.display(description="what")
    def what(self, run: BulkRun) -> str:
        return in_one_line(Selection.from_json(run.selection))

    @admin.display(description="why")
    def why(self, run: BulkRun) -> str:
        return run.note if len(run.note) <= 60 else f"{run.note[:60]}…"

    @admin.display(description="ended")
    def progress(self, run: BulkRun) -> str:
        return f"{run.ended:,} of {run.expected:,}"

    @display(description="state", label={"done": "success", "at work": "warning", "waiting": "warning"})
    def state(self, run: BulkRun) -> str:
        return state_of(run)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        run = self.get_object(request, object_id)
        extra: dict[str, Any] = {}
        if run is not None:
            sessions = f"{reverse('admin:user_sessions_session_changelist')}?run={run.pk}"
            extra = {
                "run": run,
                "state": state_of(run),
                "who": who_ordered(run),
                "words": in_words(Selection.from_json(run.selection)),
                "percent": 100 if run.finished_at else min(99, int(100 * run.ended / max(1, run.expected))),
                "sessions_url": sessions,
                "title": "Bulk run",
            }
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **extra})


def who_ordered(run: BulkRun) -> str:
    if run.actor is not None:
        return run.actor.username
    return run.operator or "unknown"
