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

from sessions.accounts import change_in_admin
from sessions.admin.confirm import Question, WhyForm, actor_of, ask
from sessions.admin.user_form import UserForm
from sessions.browser import find_session
from sessions.bulk.orders import disable_user, end_as_staff
from sessions.bulk.preview import Preview
from sessions.bulk.selection import Selection
from sessions.inspect.user import user_page
from sessions.logout import end_sessions
from sessions.models import EndReason, Session
from sessions.origin import Origin
from sessions.passwords import send_reset_code
from sessions.reauthentication import is_recent
from users.admin import NoDelete
from users.admin_forms import SavesChanges, changed_columns
from users.errors import EmailMissing, TooManyAttempts
from users.models import App, User, is_object_id
from users.permissions import Act, closed_fields, may, may_as_staff


@admin.register(User)
class UserAdmin(SavesChanges, DjangoUserAdmin, NoDelete):  # type: ignore[misc, type-arg]
    when_empty = "Users appear when they register; staff can add some here."
    list_display = ["username", "email", "name", "role", "state", "registered"]
    list_filter = ["is_staff", "is_active"]
    search_fields = ["username"]
    search_help_text = "User name, email, phone number or id"
    ordering = ["-created_at", "-pk"]
    sortable_by = ()
    form = UserForm
    add_form = UserForm
    change_form_template = "sessions/user.html"
    readonly_fields = [
        "id",
        "email_verified",
        "new_email",
        "ip_addresses",
        "last_login",
        "created_at",
        "updated_at",
        "deleted_at",
    ]
    add_fieldsets = [
        (
            None,
            {
                "fields": ["username", "email", "name"],
                "description": "Nobody chooses a password for somebody else. With an email, the user is mailed a code"
                " to set their own.",
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

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change=change, **kwargs)
        form.request = request
        return form

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        shown = [*super().get_fieldsets(request, obj)]
        session = find_session(request)
        asks = obj is not None and session is not None and not is_recent(session)
        if asks and self.has_change_permission(request, obj):
            shown.insert(2, (None, {"fields": ["your_password"]}))
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
            self._send_reset(request, obj)
            return
        actor, fields = actor_of(request), changed_columns(form)
        if fields:
            # As it was before the form: its old email is told.
            change_in_admin(User.objects.get(pk=obj.pk), **fields)
        sessions, origin = Session.objects.filter(user=obj), Origin.of(request)
        if fields.get("is_active") is False:
            end_sessions(sessions, actor=actor, reason=EndReason.USER_DISABLED, origin=origin)
        elif fields.get("is_staff") is False:  # they are refused by now; if the user is staff again, they stay ended
            in_admin = sessions.filter(app__kind=App.Kind.ADMIN)
            end_sessions(in_admin, actor=actor, reason=EndReason.STAFF, origin=origin)

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        """Not found: staff send a reset code, and change their own password on another page."""
        raise Http404

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        user = self.get_object(request, object_id)
        extra: dict[str, Any] = {}
        if user is not None and may(actor_of(request), Act.SEE_SESSIONS):
            extra["of_user"] = user_page(user, actor=actor_of(request), ended_page=request.GET.get("ended_page"))
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **extra})

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("<str:user_id>/log-out/", wrap(self.log_out_view), name="users_user_log_out"),
            path("<str:user_id>/disable/", wrap(self.disable_view), name="users_user_disable"),
            path("<str:user_id>/send-reset/", wrap(self.send_reset_view), name="users_user_send_reset"),
            *super().get_urls(),
        ]

    def log_out_view(self, request: HttpRequest, user_id: str) -> HttpResponse:
        """End all sessions of that user: asks first, then does it."""
        user, actor = self._user(user_id), actor_of(request)
        if not may_as_staff(actor, Act.END_SESSIONS, user):
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
        if not may_as_staff(actor, Act.DISABLE_USER, user):
            raise PermissionDenied
        found = Preview(Selection(users=(user.pk,)))
        form = WhyForm(request.POST or None, found=found)
        if request.method == "POST" and form.is_valid():
            note = form.cleaned_data["note"]
            run = disable_user(user.pk, actor=actor, origin=Origin.of(request), note=note)
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

    def send_reset_view(self, request: HttpRequest, user_id: str) -> HttpResponse:
        """Mail that user a reset code: asks first, then does it."""
        user, actor = self._user(user_id), actor_of(request)
        back = reverse("admin:users_user_change", args=[user.pk])
        if not may_as_staff(actor, Act.SEND_RESET, user):
            raise PermissionDenied
        if not user.is_active:
            messages.warning(request, "The account is disabled. A reset code would not work.")
            return HttpResponseRedirect(back)
        form = WhyForm(request.POST or None)
        if not user.email or (request.method == "POST" and form.is_valid()):
            self._send_reset(request, user, note=form.cleaned_data["note"] if user.email else "")
            return HttpResponseRedirect(back)
        happens = [
            f"A code is mailed to {user.email}. It sets a new password, once.",
            "The password stays as it is until somebody uses the code. Then all sessions of the user end.",
            "You do not see the code.",
        ]
        question = Question(
            f"Send {user.username} a reset code?",
            "Send a reset code",
            request.path,
            back,
            happens,
            icon="lock_reset",
            is_harmless=True,
        )
        return ask(request, self.admin_site, question, form)

    def _send_reset(self, request: HttpRequest, user: User, *, note: str = "") -> None:
        try:
            send_reset_code(user, actor=actor_of(request), note=note)
        except EmailMissing:
            messages.warning(request, f"{user.username} has no email. No reset code was sent.")
        except TooManyAttempts as error:
            minutes = -(-error.retry_after // 60)
            told = f"You have sent too many reset codes. None was sent to {user.username}. Try again in {minutes} min."
            messages.error(request, told)
        else:
            messages.success(request, f"A reset code is on its way to {user.email}.")

    def _user(self, user_id: str) -> User:
        user = User.objects.filter(pk=user_id).first() if is_object_id(user_id) else None
        if user is None:
            raise Http404
        return user
