"""Users, apps and devices in the admin. Nothing is deleted here: sessions and the record hang on it."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from users.models import App, Device, DeviceToken


class NoDelete(admin.ModelAdmin):
    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ReadOnly(NoDelete):
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(App)
class AppAdmin(NoDelete):
    """Apps are made by `manage.py createapp`, which shows the key once."""

    list_display = ["name", "id", "is_active", "created_at"]
    # The name, too: settings name ZAP's app by it.
    readonly_fields = ["name", "id", "created_at"]
    fields = [
        *("name", "id", "is_active", "sessions_valid_after"),
        *("session_lifetime", "idle_timeout", "sessions_per_user", "created_at"),
    ]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False


@admin.register(Device)
class DeviceAdmin(ReadOnly):
    list_display = ["id", "app", "platform", "model", "os_version", "updated_at"]
    list_select_related = ["app"]
    search_fields = ["unique_id"]
    show_full_result_count = False


@admin.register(DeviceToken)
class DeviceTokenAdmin(ReadOnly):
    list_display = ["id", "user", "device", "updated_at"]
    list_select_related = ["user", "device"]
    search_fields = ["user__username"]
    exclude = ["token"]
    show_full_result_count = False
