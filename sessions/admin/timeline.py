"""A user's timeline in the admin, what staff did to others, and the export of a user's record."""

from dataclasses import dataclass
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_GET, require_POST

from sessions.admin.confirm import actor_of
from sessions.admin.user_acts import ActsOnUsers
from sessions.inspect.personal_data import everything_about
from sessions.inspect.record_export import export
from sessions.inspect.timeline import (
    SESSIONS,
    Position,
    Stream,
    Timeline,
    ended_by_orders,
    streams_about,
    streams_by,
    timeline,
)
from sessions.inspect.timeline_lines import line_of_moment
from users.admin_record import ordered_by
from users.models import User
from users.permissions import Act, may_as_staff
from users.record.events import Event, Kind
from users.record.lines import Line
from users.record.writing import record
from users.table_files import FORMATS, download_headers, file_of

PER_PAGE = 50
ON_USERS_PAGE = 5
_FORMATS = {**FORMATS, "json": "application/json"}
_ABOUT_USERS = (Kind.LOGINS, Kind.ACCOUNT, Kind.FACTOR, Kind.ORDERS)


@dataclass(frozen=True)
class Chip:
    """A link that narrows the timeline to a kind of lines. ``value``: "" for all."""

    value: str
    label: str
    is_chosen: bool


class TimelinePages(ActsOnUsers):
    """The pages below a user's page: `timeline/`, `acts/` (what staff did to others) and `export/`."""

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("<str:user_id>/timeline/", wrap(self.timeline_view), name="users_user_timeline"),
            path("<str:user_id>/acts/", wrap(self.acts_view), name="users_user_acts"),
            path("<str:user_id>/export/", wrap(self.export_view), name="users_user_export"),
            *super().get_urls(),
        ]

    @method_decorator(require_GET)
    def timeline_view(self, request: HttpRequest, user_id: str) -> HttpResponse:
        """Show what happened to the user's account, and their sessions opened and ended."""
        user = self._seen(request, user_id)
        may_see_sessions = may_as_staff(actor_of(request), Act.SEE_SESSIONS, user)
        choices = {"": "All", **_labels(_ABOUT_USERS), **({SESSIONS: "Sessions"} if may_see_sessions else {})}
        kind = _chosen(request, choices)
        shown: dict[str, Any] = {
            "title": f"Timeline of {user.username}",
            "heading": "Timeline of",
            "other": "What they did to others",
            "other_url": reverse("admin:users_user_acts", args=[user.pk]) if has_acts(user) else "",
            "export_url": reverse("admin:users_user_export", args=[user.pk]) if may_see_sessions else "",
        }
        streams = streams_about(user, kind=kind, with_sessions=may_see_sessions)
        return self._show(request, user, streams, kind, choices, shown)

    @method_decorator(require_GET)
    def acts_view(self, request: HttpRequest, user_id: str) -> HttpResponse:
        """Show what the user, a member of staff, did to others."""
        user = self._seen(request, user_id)
        choices = {"": "All", **_labels(Kind)}
        kind = _chosen(request, choices)
        shown: dict[str, Any] = {
            "title": f"What {user.username} did to others",
            "heading": "Done to others by",
            "other": "What happened to them",
            "other_url": reverse("admin:users_user_timeline", args=[user.pk]),
        }
        return self._show(request, user, streams_by(user, kind=kind), kind, choices, shown)

    @method_decorator(require_POST)
    def export_view(self, request: HttpRequest, user_id: str) -> HttpResponseBase:
        """Answer with the record of the user, or with everything about them, as a file. The export is recorded."""
        user = self._seen(request, user_id)
        if not may_as_staff(actor_of(request), Act.SEE_SESSIONS, user):
            raise PermissionDenied
        wanted = request.POST.get("format", "")
        if wanted not in _FORMATS:
            raise Http404
        with transaction.atomic():
            record(Event.RECORD_EXPORTED, user=user, format=wanted, **ordered_by(request))
        lines = everything_about(user) if wanted == "json" else export(user, wanted)
        headers = download_headers(f"record-{user.pk}", wanted)
        return FileResponse(file_of(lines), content_type=_FORMATS[wanted], headers=headers)

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show what changed, and the sessions of the user that staff or an order ended."""
        user, extra = self.get_object(request, object_id), dict(extra_context or {})
        if user is not None and "after" not in request.GET and may_as_staff(actor_of(request), Act.SEE_SESSIONS, user):
            ended = timeline([ended_by_orders(user)], limit=PER_PAGE).moments
            extra["ended_by_orders"] = [line_of_moment(moment) for moment in ended]
        return super().history_view(request, object_id, extra)

    def _seen(self, request: HttpRequest, user_id: str) -> User:
        """Return the user whose record the actor may see. Raises: Http404, PermissionDenied."""
        user = self.get_object(request, user_id)
        if user is None:
            raise Http404
        if not all(may_as_staff(actor_of(request), act, user) for act in (Act.SEE_USER, Act.SEE_RECORD)):
            raise PermissionDenied
        return user

    def _show(
        self,
        request: HttpRequest,
        user: User,
        streams: list[Stream],
        kind: str,
        choices: dict[str, str],
        shown: dict[str, Any],
    ) -> HttpResponse:
        page = _page(request, streams)
        if not page.moments and "newer" in request.GET:  # the line at the top of the timeline asked for newer ones
            return HttpResponseRedirect(f"{request.path}?{_prefix(kind)}")
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": user,  # for the links above the page
            "whose": user,
            "kind": kind,
            "prefix": _prefix(kind),
            "chips": [Chip(value, label, value == kind) for value, label in choices.items()],
            "lines": [line_of_moment(moment) for moment in page.moments],
            "newer": page.newer and str(page.newer),
            "older": page.older and str(page.older),
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "sessions/timeline.html", context | shown)


def newest_lines(user: User, *, actor: User) -> list[Line] | None:
    """Return the newest lines for the user's page. None: ``actor`` may not see the record."""
    if not may_as_staff(actor, Act.SEE_RECORD, user):
        return None
    streams = streams_about(user, with_sessions=may_as_staff(actor, Act.SEE_SESSIONS, user))
    return [line_of_moment(moment) for moment in timeline(streams, limit=ON_USERS_PAGE).moments]


def has_acts(user: User) -> bool:
    """Return whether the user is staff, or has done anything to others, such as former staff."""
    return user.is_staff or bool(timeline(streams_by(user), limit=1).moments)


def _labels(kinds: Any) -> dict[str, str]:
    return {kind.value: f"{kind.label[:1].upper()}{kind.label[1:]}" for kind in kinds}


def _chosen(request: HttpRequest, choices: dict[str, str]) -> str:
    kind = request.GET.get("kind", "")
    if kind not in choices:
        raise Http404
    return kind


def _prefix(kind: str) -> str:
    return f"kind={kind}&" if kind else ""


def _page(request: HttpRequest, streams: list[Stream]) -> Timeline:
    older, newer = _position(request, "older"), _position(request, "newer")
    return timeline(streams, limit=PER_PAGE, older_than=older, newer_than=newer)


def _position(request: HttpRequest, name: str) -> Position | None:
    try:
        return Position.parse(request.GET[name]) if name in request.GET else None
    except (KeyError, ValueError) as error:
        raise Http404 from error
