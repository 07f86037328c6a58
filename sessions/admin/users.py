"""Users in the admin: who they are, where they are logged in, and an end to it."""

from datetime import datetime
from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from unfold.decorators import display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from sessions.admin.confirm import Question, WhyForm, actor_of, ask
from sessions.bulk import Preview
from sessions.logout import end_sessions
from sessions.models import EndReason, Session
from sessions.origin import Origin
from sessions.passwords import password_change
from sessions.selection import Selection
from sessions.staff import disable_user, end_as_staff
from sessions.user_page import may_disable, may_end_sessions_of, user_page
from users.admin import NoDelete
from users.models import App, User, is_object_id

# Who could set these could make themselves anything.
_POWERS = ["is_staff", "is_superuser", "groups", "user_permissions"]


class UserForm(UserChangeForm):
    """Empty is absent: of NULLs there may be many, of empty strings only one."""

    def clean_email(self) -> str | None:
        return self.cleaned_data.get("email") or None

    def clean_phone_number(self) -> str | None:
        return self.cleaned_data.get("phone_number") or None


@admin.register(User)
class UserAdmin(DjangoUserAdmin, NoDelete):  # type: ignore[misc]
    when_empty = "Users appear when they register; staff can add some here."
    list_display = ["username", "email", "name", "role", "state", "registered"]
    list_filter = ["is_staff", "is_active"]
    search_fields = ["username"]
    search_help_text = "User name, email, phone number or id"
    ordering = ["-created_at", "-pk"]
    sortable_by = ()
    form = UserForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    change_form_template = "sessions/user.html"
    readonly_fields = ["id", "ip_addresses", "last_login", "created_at", "updated_at", "deleted_at"]
    fieldsets = [
        (None, {"fields": ["username", "password", "id"]}),
        (
            "Person",
            {
                "fields": [
                    *("name", "first_name", "last_name", "email", "email_verified"),
                    *("phone_number", "role_id", "tag"),
                ]
            },
        ),
        ("Permissions", {"classes": ["collapse"], "fields": ["is_active", *_POWERS]}),
        (
            "Record",
            {
                "classes": ["collapse"],
                "fields": ["ip_addresses", "last_login", "created_at", "updated_at", "deleted_at"],
            },
        ),
    ]

    @admin.display(description="role")
    def role(self, user: User) -> str | None:
        return "superuser" if user.is_superuser else "staff" if user.is_staff else None

    @display(description="state", label={"active": "success", "disabled": "danger", "deleted": "danger"})
    def state(self, user: User) -> str:
        if user.deleted_at:
            return "deleted"
        return "active" if user.is_active else "disabled"

    @admin.display(description="registered (UTC)")
    def registered(self, user: User) -> datetime:
        return user.created_at

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[User], search_term: str
    ) -> tuple[QuerySet[User], bool]:
        """By what is indexed: a name or an email from its beginning on, a phone number or an id as a whole."""
        term = search_term.strip()
        if not term:
            return queryset, False
        if is_object_id(term):
            return queryset.filter(pk=term), False
        found = Q(username__istartswith=term) | Q(email__istartswith=term) | Q(phone_number=term)
        return queryset.filter(found), False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # As `users.accounts.get_user_to_change` has it: staff are changed by superusers only.
        protected = obj is not None and (obj.is_staff or obj.is_superuser)
        return super().has_change_permission(request, obj) and (not protected or actor_of(request).is_superuser)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        fields = [*super().get_readonly_fields(request, obj)]
        return fields if actor_of(request).is_superuser else [*fields, *_POWERS]

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)  # in the transaction that the admin has opened
        if not change:
            return
        sessions, actor, origin = Session.objects.filter(user=obj), actor_of(request), Origin.of(request)
        if not obj.is_active:
            end_sessions(sessions, actor=actor, reason=EndReason.USER_DISABLED, origin=origin)
        elif not obj.is_staff:  # they are refused by now; if the user is staff again one day, they stay ended
            in_admin = sessions.filter(app__kind=App.Kind.ADMIN)
            end_sessions(in_admin, actor=actor, reason=EndReason.STAFF, origin=origin)

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        if id == request.user.pk:  # which wants the old one, and keeps them logged in in this browser
            return HttpResponseRedirect(reverse("admin:password_change"))
        changed = password_change(User.objects.filter(pk=id), actor=actor_of(request), origin=Origin.of(request))
        with changed:
            return super().user_change_password(request, id, form_url)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        user = self.get_object(request, object_id)
        extra: dict[str, Any] = {}
        if user is not None and request.user.has_perm("user_sessions.view_session"):
            extra["of_user"] = user_page(user, actor=actor_of(request), ended_page=request.GET.get("ended_page"))
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **extra})

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("<str:user_id>/log-out/", wrap(self.log_out_view), name="users_user_log_out"),
            path("<str:user_id>/disable/", wrap(self.disable_view), name="users_user_disable"),
            *super().get_urls(),
        ]

    def log_out_view(self, request: HttpRequest, user_id: str) -> HttpResponse:
        """End all sessions of that user: asks first, then does it."""
        user, actor = self._user(user_id), actor_of(request)
        if not may_end_sessions_of(user, actor=actor):
            raise PermissionDenied
        found, back = Preview(Selection(users=(user.pk,))), reverse("admin:users_user_change", args=[user.pk])
        form = WhyForm(request.POST or None, found=found)
        if request.method == "POST" and form.is_valid():
            origin, note = Origin.of(request), form.cleaned_data["note"]
            run = end_as_staff(found.selection, actor=actor, origin=origin, note=note)
            messages.success(request, f"{run.ended:,} session{'' if run.ended == 1 else 's'} ended.")
            return HttpResponseRedirect(back)
        sessions = f"{found.count:,} session{'' if found.count == 1 else 's'}"
        happens = [
            f"{sessions} of {user.username} end, on all devices and in all apps.",
            "Their tokens are refused from the next request on; no push reaches the devices any more.",
            "They can log in again with their password.",
        ]
        question = Question(f"Log {user.username} out everywhere?", f"End {sessions}", request.path, back, happens)
        return ask(request, self.admin_site, question, form)

    def disable_view(self, request: HttpRequest, user_id: str) -> HttpResponse:
        """Disable the account and end all its sessions: asks first, then does it."""
        user, actor = self._user(user_id), actor_of(request)
        back = reverse("admin:users_user_change", args=[user.pk])
        if not user.is_active:
            messages.warning(request, "The account is disabled already.")
            return HttpResponseRedirect(back)
        if not may_disable(user, actor=actor):
            raise PermissionDenied
        found = Preview(Selection(users=(user.pk,)))
        form = WhyForm(request.POST or None, found=found)
        if request.method == "POST" and form.is_valid():
            note = form.cleaned_data["note"]
            run = disable_user(user.pk, actor=actor, origin=Origin.of(request), note=note)
            self.log_change(request, user, f"Disabled; bulk run {run.pk}. {note}".strip())
            ended = f"{run.ended:,} session{'' if run.ended == 1 else 's'} ended."
            messages.success(request, f"{user.username} is disabled. {ended}")
            return HttpResponseRedirect(back)
        happens = [
            f"{user.username} can't log in any more, until somebody enables the account.",
            f"{found.count:,} session{'' if found.count == 1 else 's'} end; their tokens are refused at once.",
            "No push for them reaches any of their devices.",
        ]
        question = Question(
            f"Disable {user.username}?", "Disable and end all", request.path, back, happens, icon="block"
        )
        return ask(request, self.admin_site, question, form)

    def _user(self, user_id: str) -> User:
        user = User.objects.filter(pk=user_id).first() if is_object_id(user_id) else None
        if user is None:
            raise Http404
        return user
