"""The list of users and the page of one user: the account, and where it is logged in."""

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from unfold.decorators import display

from sessions.accounts import change_in_admin
from sessions.admin.confirm import actor_of
from sessions.admin.guarded_form import GuardedAdmin, password_fieldset
from sessions.admin.timeline import TimelinePages, newest_lines
from sessions.admin.user_acts import send_reset
from sessions.admin.user_form import UserForm
from sessions.inspect.user import user_page
from sessions.logout import end_sessions
from sessions.models import EndReason, Session
from users.admin_forms import SavesChanges, changed_columns
from users.admin_lists import as_it_is
from users.admin_record import ordered_by
from users.finding import called, ids_called
from users.models import App, SecurityEvent, User, is_object_id
from users.origin import Origin
from users.permissions import Act, closed_fields, may, may_as_staff
from users.record.changes import powers_of, record_powers
from users.record.events import Event, Kind
from users.record.reading import entries
from users.record.writing import record


@admin.register(User)
class UserAdmin(GuardedAdmin, SavesChanges, DjangoUserAdmin, TimelinePages):  # type: ignore[misc, type-arg]
    when_empty = "Users appear when they register; staff can add some here."
    list_display = ["username", "email", "name", "role", "state", "registered"]
    list_filter = ["is_staff", "is_active"]
    search_fields = ["username"]
    search_help_text = "Name, user name, email (any part of them), phone number or id"
    ordering = ["-created_at", "-pk"]
    sortable_by = ["registered"]
    jumps = {"created_at": as_it_is}
    form = UserForm
    add_form = UserForm
    change_form_template = "sessions/user.html"
    readonly_fields = [
        "id",
        "email_verified",
        "new_email",
        "ip_addresses",
        "last_log_in",
        "registered",
        "updated",
        "deleted",
    ]
    add_fieldsets = [
        (
            None,
            {
                "fields": ["username", "email", "name"],
                "description": "Users choose their own passwords. A user with an email is mailed a code to set one.",
            },
        )
    ]
    fieldsets = [
        (None, {"fields": ["username", "id"]}),
        (
            "Person",
            {
                "fields": [
                    *("name", "first_name", "last_name", "email", "email_verified"),
                    *("new_email", "phone_number", "role_id", "tag"),
                ]
            },
        ),
        (
            "Permissions",
            {
                "classes": ["collapse"],
                "fields": ["is_active", "is_staff", "is_superuser", "groups", "user_permissions"],
            },
        ),
        (
            "Dates and addresses",
            {
                "classes": ["collapse"],
                "fields": ["ip_addresses", "last_log_in", "registered", "updated", "deleted"],
            },
        ),
    ]

    @admin.display(description="role")
    def role(self, user: User) -> str | None:
        return "superuser" if user.is_superuser else "staff" if user.is_staff else None

    @display(description="state", label={"enabled": "success", "disabled": "danger", "deleted": "danger"})
    def state(self, user: User) -> str:
        if user.deleted_at:
            return "deleted"
        return "enabled" if user.is_active else "disabled"

    @admin.display(description="last log-in (UTC)")
    def last_log_in(self, user: User) -> datetime | None:
        return user.last_login

    @admin.display(description="registered (UTC)", ordering="created_at")
    def registered(self, user: User) -> datetime:
        return user.created_at

    @admin.display(description="updated (UTC)")
    def updated(self, user: User) -> datetime:
        return user.updated_at

    @admin.display(description="deleted (UTC)")
    def deleted(self, user: User) -> datetime | None:
        return user.deleted_at

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[User], search_term: str
    ) -> tuple[QuerySet[User], bool]:
        """Search for a part of a name, user name or email, for a phone number, or for an id. See `users.finding`."""
        term = search_term.strip()
        if not term:
            return queryset, False
        if is_object_id(term):
            return queryset.filter(pk=term), False
        few = ids_called(term)
        return queryset.filter(called(term) if few is None else Q(pk__in=few)), False

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        shown = [*super().get_fieldsets(request, obj)]
        if obj is not None and self.has_change_permission(request, obj):
            shown[2:2] = password_fieldset(request)
        return shown

    def has_add_permission(self, request: HttpRequest) -> bool:
        return may(actor_of(request), Act.ADD_USER)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may_as_staff(actor_of(request), Act.CHANGE_USER, obj)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        closed = closed_fields(actor_of(request), obj) if obj is not None else []
        return [*super().get_readonly_fields(request, obj), *closed]

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        """Save in the transaction that the admin has opened."""
        if not change:
            obj.set_unusable_password()
            super().save_model(request, obj, form, change)
            record(Event.USER_CREATED, user=obj, **ordered_by(request))
            send_reset(request, obj)
            return
        actor, fields = actor_of(request), changed_columns(form)
        if fields:
            # Read the user again: a mail goes to the old email.
            change_in_admin(User.objects.get(pk=obj.pk), by=ordered_by(request), **fields)
        sessions, origin = Session.objects.filter(user=obj), Origin.of(request)
        if "is_active" in fields:  # once enabled again, no session that somebody left open may work
            end_sessions(sessions, actor=actor, reason=EndReason.USER_DISABLED, origin=origin)
        elif fields.get("is_staff") is False:  # otherwise they would be valid again if the user became staff again
            in_admin = sessions.filter(app__kind=App.Kind.ADMIN)
            end_sessions(in_admin, actor=actor, reason=EndReason.STAFF, origin=origin)

    def response_post_save_change(self, request: HttpRequest, obj: Any) -> HttpResponseRedirect:
        """Go back to the user's page: staff usually go on there."""
        return HttpResponseRedirect(reverse("admin:users_user_change", args=[obj.pk]))

    response_post_save_add = response_post_save_change

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Save and record groups and permissions."""
        old = powers_of(form.instance)
        super().save_related(request, form, formsets, change)
        record_powers(form.instance, old, **ordered_by(request))

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        """Answer 404. Staff send a reset code to others, and change their own password on another page."""
        raise Http404

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        user = self.get_object(request, object_id)
        extra: dict[str, Any] = {}
        if user is not None and may(actor_of(request), Act.SEE_SESSIONS):
            extra["of_user"] = user_page(user, actor=actor_of(request), ended_page=request.GET.get("ended_page"))
        if user is not None:
            extra["lines"] = newest_lines(user, actor=actor_of(request))
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **extra})

    def history_of(self, obj: User) -> QuerySet[SecurityEvent]:
        return entries(user=obj, kinds=[Kind.ACCOUNT, Kind.FACTOR, Kind.ORDERS])

    def timeline_of(self, obj: User) -> str:
        return reverse("admin:users_user_timeline", args=[obj.pk])
