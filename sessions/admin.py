"""Sessions in the admin, and users: a password change or a disabled account ends their sessions."""

from typing import Any, cast

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import AdminUserCreationForm, UserChangeForm
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from sessions.logout import end_sessions, end_sessions_as_staff
from sessions.models import EndReason, Session
from sessions.origin import Origin
from sessions.passwords import password_change
from users.admin import NoDelete, ReadOnly
from users.models import User


class UserForm(UserChangeForm):
    """Empty is absent: of NULLs there may be many, of empty strings only one."""

    def clean_email(self) -> str | None:
        return self.cleaned_data.get("email") or None

    def clean_phone_number(self) -> str | None:
        return self.cleaned_data.get("phone_number") or None


@admin.register(User)
class UserAdmin(NoDelete, DjangoUserAdmin):
    list_display = ["username", "email", "name", "is_staff", "is_active", "created_at"]
    list_filter = ["is_staff", "is_active"]
    search_fields = ["username", "email", "phone_number", "id"]
    ordering = ["username"]
    show_full_result_count = False
    form = UserForm
    add_form = AdminUserCreationForm
    readonly_fields = ["id", "ip_addresses", "last_login", "created_at", "updated_at", "deleted_at"]
    fieldsets = [
        (None, {"fields": ["username", "password", "id"]}),
        (
            "Person",
            {
                "fields": [
                    "name",
                    "first_name",
                    "last_name",
                    "email",
                    "email_verified",
                    "phone_number",
                    "role_id",
                    "tag",
                ]
            },
        ),
        ("Permissions", {"fields": ["is_active", "is_staff", "is_superuser", "groups", "user_permissions"]}),
        ("Record", {"fields": ["ip_addresses", "last_login", "created_at", "updated_at", "deleted_at"]}),
    ]

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)  # in the transaction that the admin has opened
        if change and not obj.is_active:
            sessions, actor = Session.objects.filter(user=obj), cast(User, request.user)
            end_sessions(sessions, actor=actor, reason=EndReason.USER_DISABLED, origin=Origin.of(request))

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        changed = password_change(User.objects.filter(pk=id), actor=cast(User, request.user), origin=Origin.of(request))
        with changed:
            return super().user_change_password(request, id, form_url)


@admin.register(Session)
class SessionAdmin(ReadOnly):
    list_display = ["id", "user", "app", "device", "ip", "created_at", "last_seen_at", "ended_at", "end_reason"]
    list_filter = ["app", "end_reason"]
    list_select_related = ["user", "app", "device"]
    search_fields = ["user__username", "user__email"]
    ordering = ["-id"]
    show_full_result_count = False
    actions = ["log_out"]

    @admin.action(description="Log out the selected sessions", permissions=["end"])
    def log_out(self, request: HttpRequest, queryset: QuerySet[Session]) -> None:
        sessions = Session.objects.filter(pk__in=queryset.values("pk"))
        ended = end_sessions_as_staff(sessions, actor=cast(User, request.user), origin=Origin.of(request))
        self.message_user(request, f"{len(ended)} session(s) ended.")

    def has_end_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("user_sessions.end_session")
