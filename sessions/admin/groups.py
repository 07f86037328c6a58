"""Groups, in the theme. simplejwt's tables are hidden: a session's page and Explain show their contents."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from rest_framework_simplejwt.token_blacklist import admin as _registered  # noqa: F401  # by now
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken
from unfold.admin import ModelAdmin

from users.admin_record import Recorded, ordered_by
from users.models import SecurityEvent
from users.permissions import Act, may
from users.record.changes import added_and_removed
from users.record.events import Event
from users.record.reading import history_of_group
from users.record.writing import record

admin.site.unregister([Group, OutstandingToken, BlacklistedToken])


def permissions_of(group: Group) -> list[str]:
    """Return the names of the group's permissions, such as `users.view_user`."""
    permissions = group.permissions.values_list("content_type__app_label", "codename")
    return [f"{app}.{codename}" for app, codename in permissions]


@admin.register(Group)
class GroupAdmin(Recorded, DjangoGroupAdmin, ModelAdmin):
    """Only superusers change groups. Other staff could give their own group any permission."""

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Save and record in the transaction that the admin has opened."""
        group = form.instance
        old = permissions_of(group)
        super().save_related(request, form, formsets, change)
        changed: dict[str, Any] = {}
        if change and "name" in form.changed_data:
            changed["name"] = {"from": form.initial["name"], "to": group.name}
        if permissions := added_and_removed(old, permissions_of(group)):
            changed["permissions"] = permissions
        if changed or not change:
            event = Event.GROUP_CHANGED if change else Event.GROUP_CREATED
            record(event, group=group.pk, name=group.name, changed=changed, **ordered_by(request))

    def delete_model(self, request: HttpRequest, obj: Group) -> None:
        record(Event.GROUP_DELETED, group=obj.pk, name=obj.name, **ordered_by(request))
        super().delete_model(request, obj)

    @transaction.atomic
    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Group]) -> None:
        for group in queryset:
            self.delete_model(request, group)

    def history_of(self, obj: Group) -> QuerySet[SecurityEvent]:
        return history_of_group(obj.pk)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return may(request.user, Act.CHANGE_POWERS)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may(request.user, Act.CHANGE_POWERS)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may(request.user, Act.CHANGE_POWERS)
