"""The export of a list of the admin, as CSV or JSON Lines: the rows that its filters and its search match now.

The file is written to the disk first. So the memory stays flat, and nobody gets half a file: if a statement takes too
long, or there are too many rows, the answer is an error and no file.
"""

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from html import unescape
from operator import attrgetter, methodcaller
from typing import Any

from django import forms
from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.contrib.admin.exceptions import NotRegistered
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import label_for_field
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import ForeignKey, Model, QuerySet
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import strip_tags
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldAdminTextInputWidget

from sessions.admin.confirm import actor_of
from sessions.factor_forms import ProvingForm
from users.admin_lists import KeysetAdmin
from users.admin_record import ordered_by
from users.keyset_list import AFTER, AT, BEFORE, FURTHER, PANEL
from users.permissions import Act, may_as_staff
from users.record.events import Event
from users.record.writing import record
from users.table_files import FORMATS, download_headers, file_of, lines_of, time_text

_LONGEST = 80  # characters of a filter's value in the record
# Parameters of a list that select no rows.
_NO_FILTERS = {*("o", "p", "e", "all", "_popup", "_to_field", "_changelist_filters"), AFTER, BEFORE, AT, FURTHER, PANEL}


class TooManyRows(Exception):
    """The list matches more rows than `EXPORT_MOST_ROWS`."""


class ExportForm(ProvingForm):
    """The format, and why. Long after the log-in, the password or a code as well: a stolen cookie is not enough."""

    format = forms.ChoiceField(choices=[(name, name) for name in FORMATS])
    note = forms.CharField(
        label="Reason",
        required=False,
        max_length=2000,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "Such as: audit, ticket 4711", "autofocus": True}),
    )


def export_view(request: HttpRequest, app_label: str, model_name: str) -> HttpResponseBase:
    """Ask for the format and the reason. A POST answers with the file, and records the export."""
    listed = _listed(request, app_label, model_name)
    try:
        rows = _matching(request, listed)
    except IncorrectLookupParameters as error:
        raise Http404 from error
    form = ExportForm(request.POST if request.method == "POST" else None, request=request)
    count = rows.order_by().values("pk")[: settings.EXPORT_MOST_ROWS + 1].count()
    if count > settings.EXPORT_MOST_ROWS or not form.is_bound or not form.is_valid():
        return _page(request, listed, form, count)
    try:
        return _file(request, listed, form.cleaned_data["format"], form.cleaned_data["note"])
    except TooManyRows:  # rows were added meanwhile
        return _page(request, listed, form, settings.EXPORT_MOST_ROWS + 1)


def _listed(request: HttpRequest, app_label: str, model_name: str) -> "admin.ModelAdmin[Any]":
    try:
        listed = admin.site.get_model_admin(apps.get_model(app_label, model_name))
    except (LookupError, NotRegistered) as error:
        raise Http404 from error
    if not listed.has_view_permission(request) or not may_as_staff(actor_of(request), Act.EXPORT):
        raise PermissionDenied
    return listed


def _matching(request: HttpRequest, listed: "admin.ModelAdmin[Any]") -> QuerySet[Any]:
    """Return the rows of all pages of the list, in any order. Raises: IncorrectLookupParameters."""
    if isinstance(listed, KeysetAdmin):
        return listed.matching(request)
    rows: QuerySet[Any] = listed.get_changelist_instance(request).get_queryset(request)
    return rows


def rows_of(request: HttpRequest, listed: "admin.ModelAdmin[Any]") -> Iterator[Any]:
    """Iterate over the rows of all pages, in the order of the list. Each batch is a statement of its own."""
    return listed.iterate_matching(request) if isinstance(listed, KeysetAdmin) else iter(_matching(request, listed))


def _file(request: HttpRequest, listed: "admin.ModelAdmin[Any]", format: str, note: str) -> FileResponse:
    columns, counted = _Columns(request, listed), _Counted(rows_of(request, listed))
    file = file_of(lines_of(map(columns.of, counted), columns=columns.names, format=format))
    try:
        facts: dict[str, Any] = {"list": _name(listed), "rows": counted.count, "format": format, "note": note}
        facts["filters"] = _filters(request)
        with transaction.atomic():
            record(Event.LIST_EXPORTED, **facts, **ordered_by(request))
    except BaseException:
        file.close()
        raise
    name = re.sub(r"\W+", "-", _name(listed), flags=re.ASCII)
    return FileResponse(file, content_type=FORMATS[format], headers=download_headers(name, format))


class _Counted:
    """Counts rows while they are read. Raises: TooManyRows."""

    def __init__(self, rows: Iterator[Any]) -> None:
        self._rows = rows
        self.count = 0

    def __iter__(self) -> Iterator[Any]:
        for row in self._rows:
            self.count += 1
            if self.count > settings.EXPORT_MOST_ROWS:
                raise TooManyRows
            yield row


class _Columns:
    """The columns of a file: the list's own ones, and the ids of the rows to which a row points."""

    def __init__(self, request: HttpRequest, listed: "admin.ModelAdmin[Any]") -> None:
        model = listed.model
        self._read: dict[str, Callable[[Any], Any]] = {"id": attrgetter("pk")}
        for field in model._meta.concrete_fields:
            if isinstance(field, ForeignKey):
                self._read[field.attname] = attrgetter(field.attname)
        for name in map(str, listed.get_list_display(request)):
            self._read[_column(label_for_field(name, model, listed))] = _reader(name, listed)
        self.names = list(self._read)

    def of(self, row: Model) -> dict[str, Any]:
        """Return the row's values of JSON, by their names."""
        return {name: _plain(read(row)) for name, read in self._read.items()}


def _reader(name: str, listed: "admin.ModelAdmin[Any]") -> Callable[[Any], Any]:
    """Return what reads a column of the list, as Django finds it: a field, a method of the admin, or of the model.

    For columns whose text in the list is shorter than the value, the admin has `exported`.
    """
    if isinstance(listed, KeysetAdmin) and name in listed.exported:
        return listed.exported[name]
    if name == "__str__":
        return str
    if name in {field.name for field in listed.model._meta.concrete_fields}:
        return attrgetter(name)
    if callable(method := getattr(listed, name, None)):
        return method
    return methodcaller(name) if callable(getattr(listed.model, name, None)) else attrgetter(name)


def _column(label: Any) -> str:
    text = str(label).removesuffix("(UTC)").strip().lower()
    return re.sub(r"\W+", "_", text)


def _plain(value: Any) -> Any:
    """Return a value of a list as a value of JSON."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, datetime):
        return time_text(value)
    if isinstance(value, SafeString):  # HTML
        return " ".join(unescape(strip_tags(value)).split())
    if isinstance(value, list | tuple):
        return " ".join(str(_plain(each)) for each in value if each is not None)
    return str(value)


def _name(listed: "admin.ModelAdmin[Any]") -> str:
    return str(listed.opts.verbose_name_plural).lower()


def _filters(request: HttpRequest) -> list[str]:
    """Return the filters for the record. What was searched for may be a secret, such as a device token."""
    chosen = [(name, value) for name, values in request.GET.lists() for value in values if value]
    shown = [(name, f"{value[:3]}…" if name == "q" else value[:_LONGEST]) for name, value in chosen]
    return [f"{name}={value}" for name, value in shown if name not in _NO_FILTERS]


def _page(request: HttpRequest, listed: "admin.ModelAdmin[Any]", form: ExportForm, count: int) -> HttpResponse:
    back = reverse(f"admin:{listed.opts.app_label}_{listed.opts.model_name}_changelist")
    query = request.GET.urlencode()
    context = {
        **admin.site.each_context(request),
        "title": f"Export {_name(listed)}",
        "form": form,
        "count": count,
        "most": settings.EXPORT_MOST_ROWS,
        "is_too_many": count > settings.EXPORT_MOST_ROWS,
        "what": _name(listed),
        "filters": _filters(request),
        "back": f"{back}?{query}" if query else back,
    }
    request.current_app = admin.site.name
    response = TemplateResponse(request, "sessions/export.html", context)
    response["Cache-Control"] = "no-store"
    return response
