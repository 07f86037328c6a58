"""The pages of bulk runs: the record of every order to end sessions, from the admin or `manage.py`.

Nobody changes a run. It can be stopped between two batches, and continued.
"""

from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from unfold.decorators import display

from sessions.admin.confirm import Question, WhyForm, actor_of, ask
from sessions.bulk.control import continue_run, expected_end, may_continue, may_stop, stop_run, time_left, why_stopped
from sessions.bulk.resume import state_of
from sessions.models import BulkRun
from sessions.selection.describe import in_one_line, in_words
from sessions.selection.selection import Selection
from users.admin import ReadOnly
from users.admin_lists import as_it_is
from users.origin import Origin

# The colors of the states.
LABELS = {"done": "success", "running": "info", "waiting": "warning", "stopped": "danger"}


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
    exported = {"why": attrgetter("note")}
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

    @display(description="state", label=LABELS)
    def state(self, run: BulkRun) -> str:
        return state_of(run)

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("<uuid:run_id>/stop/", wrap(self.stop_view), name="user_sessions_bulkrun_stop"),
            path("<uuid:run_id>/continue/", wrap(self.continue_view), name="user_sessions_bulkrun_continue"),
            *super().get_urls(),
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        run = self.get_object(request, object_id)
        extra = _shown(run, request) if run is not None else {}
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **extra})

    def stop_view(self, request: HttpRequest, run_id: UUID) -> HttpResponse:
        """Ask for confirmation; a confirmed POST stops the run."""
        run = _run(run_id)
        if run.finished_at is not None or run.stopped_at is not None:
            messages.warning(request, f"The run is {state_of(run)}. There is nothing to stop.")
            return _back_to(run)
        if not may_stop(actor_of(request), run):
            raise PermissionDenied
        form = WhyForm(request.POST or None, request=request, is_grave=True, needs_reason=True)
        if not form.is_confirmed:
            return ask(request, self.admin_site, _stop_question(run, request.path), form)
        if stop_run(run.pk, actor=actor_of(request), origin=Origin.of(request), note=form.cleaned_data["note"]):
            run.refresh_from_db()
            messages.success(request, f"The run is stopped. It has ended {run.ended:,} of {run.expected:,} sessions.")
        return _back_to(run)

    def continue_view(self, request: HttpRequest, run_id: UUID) -> HttpResponse:
        """Ask for confirmation; a confirmed POST lets a stopped run go on."""
        run = _run(run_id)
        if run.finished_at is not None or run.stopped_at is None:
            messages.warning(request, "The run is not stopped.")
            return _back_to(run)
        if not may_continue(actor_of(request), run):
            raise PermissionDenied
        form = WhyForm(request.POST or None, request=request, is_grave=True)
        if not form.is_confirmed:
            return ask(request, self.admin_site, _continue_question(run, request.path), form)
        if continue_run(run.pk, actor=actor_of(request), origin=Origin.of(request), note=form.cleaned_data["note"]):
            messages.success(request, "The run goes on. A server takes it up within ten seconds.")
        return _back_to(run)


def _shown(run: BulkRun, request: HttpRequest) -> dict[str, Any]:
    """Return what the page of the run shows."""
    state = state_of(run)
    is_running = state == "running"
    left = time_left(run) if is_running else None
    return {
        "run": run,
        "state": state,
        "who": who_ordered(run),
        "words": in_words(Selection.from_json(run.selection)),
        "percent": 100 if run.finished_at else min(99, int(100 * run.ended / max(1, run.expected))),
        "sessions_url": f"{reverse('admin:user_sessions_session_changelist')}?run={run.pk}",
        "done_in": None if left is None else about(left),
        "done_at": expected_end(run) if is_running else None,
        "idle_since": run.last_batch_at or run.as_of,
        "why_stopped": why_stopped(run),
        "may_stop": may_stop(actor_of(request), run),
        "may_continue": may_continue(actor_of(request), run),
        "title": "Bulk run",
    }


def about(span: timedelta) -> str:
    """Return a time in words, such as "about 3 minutes"."""
    seconds = span.total_seconds()
    if seconds < 60:
        return "less than a minute"
    count, unit = (round(seconds / 60), "minute") if seconds < 5400 else (round(seconds / 3600), "hour")
    return f"about {count} {unit}{'' if count == 1 else 's'}"


def _run(run_id: UUID) -> BulkRun:
    run = BulkRun.objects.select_related("actor").filter(pk=run_id).first()
    if run is None:
        raise Http404
    return run


def _page_of(run: BulkRun) -> str:
    return reverse("admin:user_sessions_bulkrun_change", args=[run.pk])


def _back_to(run: BulkRun) -> HttpResponse:
    return HttpResponseRedirect(_page_of(run))


def _stop_question(run: BulkRun, url: str) -> Question:
    refused = (
        "The order has refused all of its sessions at once, and they stay refused. Only their rows don't end now."
        if run.cut_off
        else "The sessions that it has not ended stay as they are: their tokens go on working."
    )
    again = "Continue button" if run.source == BulkRun.Source.ADMIN else "same command"
    happens = [
        "No further batch begins. A batch that is under way is completed.",
        f"It has ended {run.ended:,} of {run.expected:,} sessions. They stay ended.",
        refused,
        f"The run does not go on by itself. The {again} continues it.",
    ]
    return Question("Stop this bulk run?", "Stop the run", url, _page_of(run), happens, icon="stop_circle")


def _continue_question(run: BulkRun, url: str) -> Question:
    happens = [
        f"It has ended {run.ended:,} of {run.expected:,} sessions. It goes on to end the others.",
        "Sessions that were opened after the order stay.",
    ]
    title = "Continue this bulk run?"
    return Question(title, "Continue the run", url, _page_of(run), happens, icon="play_circle")


def who_ordered(run: BulkRun) -> str:
    if run.actor is not None:
        return run.actor.username
    return run.operator or "unknown"
