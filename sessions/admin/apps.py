"""Apps in the admin: their lifetimes, their keys, and the orders about all of their sessions.

Nothing can be deleted: sessions and the record point at apps.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from unfold.decorators import display

from sessions.admin.app_acts import ActsOnApps, app_page
from sessions.admin.confirm import actor_of
from sessions.admin.guarded_form import ActorsPassword, GuardedAdmin, GuardedForm, password_fieldset
from users.admin_forms import SavesChanges, changed_columns
from users.admin_record import ordered_by
from users.clients import has_key
from users.models import Access, App, SecurityEvent
from users.permissions import Act, may_as_staff, may_with_app
from users.record.changes import record_app_changes
from users.record.reading import history_of_app

ABOUT_ACCESS = (
    "What a service may do with the key of this app. Give access only to an app whose key stays on your servers: "
    "a key inside an app on phones is public."
)


class AppForm(GuardedForm):
    guarded = frozenset({"token_access", "push_access", "event_access"})
    your_password = ActorsPassword("to change what a service may do")


@admin.register(App)
class AppAdmin(GuardedAdmin, SavesChanges, ActsOnApps):
    form = AppForm
    when_empty = "Add one here, or use: manage.py createapp NAME"
    list_display = ["name", "id", "kind", "state", "services", "added"]
    change_form_template = "sessions/app.html"
    # The card above the form shows the rest. The settings name ZAP's app, so nobody changes a name.
    limits = ("session_lifetime", "idle_timeout", "sessions_per_user")
    access = ("token_access", "push_access", "event_access")
    fields = (*limits, *access)

    @display(description="state", label={"on": "success", "off": "danger"})
    def state(self, app: App) -> str:
        return "on" if app.is_active else "off"

    @display(description="access for services")
    def services(self, app: App) -> str:
        given = {name.removesuffix("_access"): getattr(app, name) for name in self.access}
        return ", ".join(f"{what}: {reach}" for what, reach in given.items() if reach != Access.NONE) or "none"

    @display(description="added (UTC)")
    def added(self, app: App) -> datetime:
        return app.created_at

    def get_fields(self, request: HttpRequest, obj: App | None = None) -> Sequence[str]:
        """Hide the time-outs of the service's own apps. They are settings: a form must not lengthen them."""
        if obj is None or not obj.is_client:
            return [] if obj is not None else self.limits
        return self.fields if has_key(obj) else self.limits

    def get_fieldsets(self, request: HttpRequest, obj: App | None = None) -> list[Any]:
        shown = self.get_fields(request, obj)
        fieldsets: list[Any] = [(None, {"fields": [name for name in shown if name not in self.access]})]
        if any(name in self.access for name in shown):
            fieldsets.append(("Access for services", {"fields": self.access, "description": ABOUT_ACCESS}))
            if obj is not None and self._may_give_access(request, obj):
                fieldsets += password_fieldset(request)
        return fieldsets

    def get_readonly_fields(self, request: HttpRequest, obj: App | None = None) -> Sequence[str]:
        return () if obj is None or self._may_give_access(request, obj) else self.access

    def _may_give_access(self, request: HttpRequest, app: App) -> bool:
        return may_with_app(actor_of(request), Act.GRANT_ACCESS, app)

    def history_of(self, obj: App) -> QuerySet[SecurityEvent]:
        return history_of_app(obj)

    def has_view_permission(self, request: HttpRequest, obj: App | None = None) -> bool:
        return may_as_staff(actor_of(request), Act.SEE_APPS) or self.has_change_permission(request, obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return may_as_staff(actor_of(request), Act.ADD_APP)

    def has_change_permission(self, request: HttpRequest, obj: App | None = None) -> bool:
        actor = actor_of(request)
        return may_as_staff(actor, Act.CHANGE_APP) if obj is None else may_with_app(actor, Act.CHANGE_APP, obj)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        app = self.get_object(request, object_id)
        extra: dict[str, Any] = {"of_app": app_page(app, actor=actor_of(request))} if app is not None else {}
        extra["show_save_and_add_another"] = False
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **extra})

    def save_model(self, request: HttpRequest, obj: App, form: Any, change: bool) -> None:
        """Save and record in the transaction that the admin has opened."""
        columns = changed_columns(form)
        old = App.objects.select_for_update(no_key=True).values(*columns).get(pk=obj.pk) if columns else {}
        super().save_model(request, obj, form, change)
        record_app_changes(obj, old, columns, **ordered_by(request))
