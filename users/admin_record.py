"""The record in the admin: who uses a form, and the history of an object instead of Django's own log."""

from datetime import datetime
from typing import Any

from django.contrib import messages
from django.contrib.admin.models import LogEntry
from django.contrib.admin.options import IS_POPUP_VAR
from django.contrib.auth.models import AnonymousUser
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.formats import localize
from django.utils.text import capfirst
from django.utils.timezone import localtime
from unfold.admin import ModelAdmin

from users.models import SecurityEvent
from users.origin import Origin
from users.permissions import Act, may_as_staff
from users.record.lines import Line, line_of, page_of_user
from users.record.reading import Position, page_of
from users.record.writing import By

PER_PAGE = 50
# Django's log has no index for an object's rows, and holds only what staff did before the record began.
MOST_EARLIER = 200


def ordered_by(request: HttpRequest) -> By:
    """Return who ordered a change in the admin, and from where."""
    assert not isinstance(request.user, AnonymousUser)  # noqa: S101  # the admin refuses them
    return {"actor": request.user, "origin": Origin.of(request)}


def as_in_lists(shown: str) -> str:
    """Return a moment in ISO 8601 in the format of the lists, and any other text as it is."""
    try:
        return str(localize(localtime(datetime.fromisoformat(shown))))
    except ValueError:
        return shown


class Recorded(ModelAdmin):
    """Base class of pages whose changes are in the record. Django's own log (`LogEntry`) is not written.

    The history button shows the record's entries about the object, and after them its rows in Django's log, which
    earlier versions wrote.
    """

    # The theme writes a moment that a method returns with microseconds; this writes it as the lists do.
    readonly_preprocess_fields = dict.fromkeys(["last_log_in", "registered", "updated", "deleted"], as_in_lists)

    def history_of(self, obj: Any) -> QuerySet[SecurityEvent] | None:
        """Return the entries about changes of ``obj``, newest first. None: the record has no history of this model."""
        return None

    def timeline_of(self, obj: Any) -> str:
        """Return the URL of a page with more than the history; "" if there is none."""
        return ""

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show who changed which field of the object, and when. Without a history in the record: answer 404."""
        obj = self.get_object(request, object_id)
        found = None if obj is None else self.history_of(obj)
        if found is None:
            raise Http404
        if not (self.has_view_permission(request, obj) and may_as_staff(request.user, Act.SEE_RECORD)):
            raise PermissionDenied
        after = _position(request.GET["after"]) if "after" in request.GET else None
        page = page_of(found, limit=PER_PAGE, after=after)
        context = {
            **self.admin_site.each_context(request),
            "title": f"History of {obj}",
            "opts": self.opts,
            "object": obj,
            "lines": [line_of(entry) for entry in page.entries],
            "earlier": [] if page.after else _earlier(obj),
            "is_later": after is not None,
            "older": f"{page.after.at.isoformat()}_{page.after.entry_id}" if page.after else "",
            "more_url": self.timeline_of(obj),
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "users/history.html", context | (extra_context or {}))

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        """Show the history button only where there is a history, to staff who may see the record."""
        obj = kwargs.get("obj")
        if obj is not None and request.method == "POST":
            # A refused form has put into `obj` what was typed. Above the form the page shows what is stored.
            obj = self.get_queryset(request).filter(pk=obj.pk).first() or obj
            kwargs["obj"] = obj
            context |= {"original": obj, "subtitle": str(obj)}
        has_history = obj is not None and self.history_of(obj) is not None
        context["show_history"] = has_history and may_as_staff(request.user, Act.SEE_RECORD)
        # A saved form leads back to the list or the page anyway, and nobody adds users or groups in a row.
        context |= {"show_save_and_add_another": False, "show_save_and_continue": False}
        return super().render_change_form(request, context, *args, **kwargs)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show the list under its plain name, such as "Users", and not as "Select user to change"."""
        return super().changelist_view(
            request, {"title": _plain(self.opts.verbose_name_plural)} | (extra_context or {})
        )

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        titled = {"title": _plain(self.opts.verbose_name)} | (extra_context or {})
        return super().change_view(request, object_id, form_url, titled)

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: str | None = None) -> HttpResponse:
        return self._saved(request, obj, "added") or super().response_add(request, obj, post_url_continue)

    def response_change(self, request: HttpRequest, obj: Any) -> HttpResponse:
        return self._saved(request, obj, "saved") or super().response_change(request, obj)

    def _saved(self, request: HttpRequest, obj: Any, done: str) -> HttpResponse | None:
        """Say in plain words that the form was saved, and lead on. None: the form is in a pop-up window."""
        if IS_POPUP_VAR in request.POST:
            return None
        messages.success(request, f"The {self.opts.verbose_name} {obj} was {done}.")
        if done == "added":
            return self.response_post_save_add(request, obj)
        return self.response_post_save_change(request, obj)

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Do nothing: `users.record` tells it."""

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Do nothing: `users.record` tells it."""

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        """Do nothing: `users.record` tells it."""


def _plain(name: Any) -> str:
    return capfirst(str(name))


def _position(text: str) -> Position:
    try:
        at, _, entry_id = text.partition("_")
        found = Position(datetime.fromisoformat(at), int(entry_id))
    except ValueError as error:
        raise Http404 from error
    if found.at.tzinfo is None:
        raise Http404
    return found


def _earlier(obj: Any) -> list[Line]:
    """Return the lines of Django's log about the object, newest first."""
    kind = ContentType.objects.get_for_model(obj)
    rows = LogEntry.objects.filter(content_type=kind, object_id=str(obj.pk)).select_related("user")
    return [
        Line(
            at=row.action_time,
            what=row.get_change_message() or str(row.get_action_flag_display()),
            who=row.user.username,
            who_url=page_of_user(row.user_id),
            url="",
        )
        for row in rows.order_by("-action_time", "-pk")[:MOST_EARLIER]
    ]
