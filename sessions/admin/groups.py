"""Groups, in the theme. simplejwt's tables are hidden: a session's page and Explain show their contents.

So is the queue of jobs: its pages could only show encrypted arguments.
"""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from procrastinate.contrib.django import admin as _queue  # noqa: F401  # registered by now
from procrastinate.contrib.django.models import ProcrastinateJob
from rest_framework_simplejwt.token_blacklist import admin as _registered  # noqa: F401  # by now
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken
from unfold.admin import ModelAdmin

from sessions.admin.confirm import SAMPLE, Question, WhyForm, ask
from users.admin_record import Recorded, ordered_by
from users.groups import delete_group, losses_by, permissions_of
from users.models import SecurityEvent, User
from users.permissions import Act, may
from users.printable import validate_name
from users.record.changes import added_and_removed
from users.record.events import Event
from users.record.reading import history_of_group
from users.record.writing import record

admin.site.unregister([Group, OutstandingToken, BlacklistedToken, ProcrastinateJob])


def _validate_new_name(name: str) -> None:
    # An earlier version took names that are refused now. They must not keep anybody from taking permissions away.
    # Compared here: the database refuses to look for some of these characters.
    if name not in set(Group.objects.values_list("name", flat=True)):
        validate_name(name)


@admin.register(Group)
class GroupAdmin(Recorded, DjangoGroupAdmin, ModelAdmin):
    """Only superusers change groups. Other staff could give their own group any permission."""

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None and db_field.name == "name":
            field.validators.append(_validate_new_name)
        return field

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

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Ask for confirmation and the reason; a confirmed POST deletes the group."""
        group = self.get_object(request, unquote(object_id))
        if group is None:
            raise Http404
        if not self.has_delete_permission(request, group):
            raise PermissionDenied
        form = WhyForm(request.POST or None, request=request, is_grave=True, needs_reason=True)
        if not form.is_confirmed:
            return ask(request, self.admin_site, _question(group, request.path), form)
        if delete_group(group.pk, note=form.cleaned_data["note"], **ordered_by(request)):
            messages.success(request, f"The group {group.name} is deleted.")
        return HttpResponseRedirect(reverse("admin:auth_group_changelist"))

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Return no action: each group is deleted on its own page, which says who loses what."""
        return {}

    def history_of(self, obj: Group) -> QuerySet[SecurityEvent]:
        return history_of_group(obj.pk)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return may(request.user, Act.CHANGE_POWERS)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may(request.user, Act.CHANGE_POWERS)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may(request.user, Act.CHANGE_POWERS)


def _question(group: Group, url: str) -> Question:
    back = reverse("admin:auth_group_change", args=[group.pk])
    happens = [*_who_loses_what(group), "The group can't be brought back. The record keeps its name and permissions."]
    return Question(f"Delete the group {group.name}?", "Delete the group", url, back, happens, icon="delete")


def _who_loses_what(group: Group) -> list[str]:
    count, losses = User.objects.filter(groups=group).count(), losses_by(group)
    if not count:
        return ["Nobody is in this group, so nobody loses a permission."]
    users = "1 user is" if count == 1 else f"{count:,} users are"
    if not losses:
        return [f"{users} in this group. Nobody loses a permission by this."]
    lines = [f"{users} in this group. {len(losses):,} of them can do less afterwards, from their next request on."]
    lines += [f"{loss.user.username} loses: {', '.join(loss.permissions)}." for loss in losses[:SAMPLE]]
    more = len(losses) - SAMPLE
    return [*lines, f"{more:,} more lose{'s' if more == 1 else ''} permissions."] if more > 0 else lines
