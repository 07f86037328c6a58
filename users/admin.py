"""Devices and device tokens in the admin. Nothing can be deleted: sessions and the record point at it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import OuterRef, QuerySet
from django.http import HttpRequest
from unfold.admin import StackedInline

from users.admin_lists import KeysetAdmin, as_it_is
from users.admin_record import Recorded
from users.models import App, CrashReport, Device, DeviceToken, RefusedLogin, is_object_id


class NoDelete(Recorded, KeysetAdmin):
    """Base class: lists open quickly with a million rows, and nothing can be deleted."""

    when_empty = ""
    linked: Sequence[str] = ()  # more look-ups, for links from other pages

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Allow only look-ups that the page offers. With other look-ups staff could guess a hash letter by letter."""
        names = [name for name in self.get_list_filter(request) if isinstance(name, str)]
        return lookup in {*self.linked, *(f"{name}__{how}" for name in names for how in ("exact", "isnull"))}

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ReadOnly(NoDelete):
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class FoundByKey(ReadOnly):
    """Base class: search uses indexed columns only, because any other search reads every row."""

    search_fields = ["id"]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        term = search_term.strip()
        return (queryset.filter(**self.searched_by(term)) if term else queryset), False

    def searched_by(self, term: str) -> dict[str, Any]:
        raise NotImplementedError


class LatestCrashReports(StackedInline):
    """The newest crash reports of a device, for staff who may see the device."""

    model = CrashReport
    verbose_name_plural = "latest crash reports"
    fields = readonly_fields = ["message", "method_name", "stack_trace"]
    shown = 20
    extra = 0

    def get_queryset(self, request: HttpRequest) -> QuerySet[CrashReport]:
        newest = CrashReport.objects.filter(device=OuterRef("device")).order_by("-created_at", "-pk")
        latest = super().get_queryset(request).filter(pk__in=newest.values("pk")[: self.shown])
        return latest.order_by("-created_at", "-pk")

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("users.view_device")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    has_change_permission = has_delete_permission = has_add_permission


@admin.register(Device)
class DeviceAdmin(FoundByKey):
    inlines = [LatestCrashReports]
    when_empty = "A device appears when an app registers it (POST /devices)."
    list_display = ["id", "app", "platform", "model", "system_version", "updated"]
    fields = [
        *("id", "app", "unique_id", "platform", "model", "system_version", "app_version", "connection_type", "tag"),
        *("latitude", "longitude", "is_production", "registered", "updated"),
    ]
    readonly_fields = fields
    list_select_related = ["app"]
    search_help_text = "Id, or the app's own unique id"
    ordering = ["-pk"]

    @admin.display(description="system version")
    def system_version(self, device: Device) -> str:
        return device.os_version

    @admin.display(description="registered (UTC)")
    def registered(self, device: Device) -> datetime:
        return device.created_at

    @admin.display(description="updated (UTC)")
    def updated(self, device: Device) -> datetime:
        return device.updated_at

    def searched_by(self, term: str) -> dict[str, Any]:
        return {"pk": term} if is_object_id(term) else {"unique_id": term, "app__in": App.objects.all()}


@admin.register(DeviceToken)
class DeviceTokenAdmin(FoundByKey):
    """Device tokens. A token is a secret: staff can search for it, but it is never shown."""

    when_empty = "A device token appears when a client logs in with one or a device registers with one."
    list_display = ["id", "user", "device", "updated"]
    fields = readonly_fields = ["user", "device", "updated"]
    list_select_related = ["user", "device"]
    search_help_text = "Device token, user name or user id"
    ordering = ["-pk"]

    @admin.display(description="updated (UTC)")
    def updated(self, token: DeviceToken) -> datetime:
        return token.updated_at

    def searched_by(self, term: str) -> dict[str, Any]:
        if is_object_id(term):
            return {"user": term}
        known = DeviceToken.objects.filter(digest=DeviceToken.digest_of(term))
        return {"pk": known[0].pk} if known else {"user__username__iexact": term, "user__deleted_at": None}


@admin.register(RefusedLogin)
class RefusedLoginAdmin(ReadOnly):
    when_empty = "Wrong passwords, disabled accounts and too many attempts are counted here."
    list_display = ["in_hour", "reason", "count"]
    ordering = ["-hour", "reason"]
    sortable_by = ["in_hour"]
    jumps = {"hour": as_it_is}
    list_filter = ["reason"]
    linked = ["hour__date"]  # for links from the dashboard

    @admin.display(description="hour (UTC)", ordering="hour")
    def in_hour(self, refused: RefusedLogin) -> datetime:
        return refused.hour
