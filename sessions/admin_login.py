"""The log-in to the admin: the page for the password, and the page for the code of those who have a second factor."""

from typing import Any

from django import forms
from django.contrib import messages
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from unfold.forms import AuthenticationForm

from sessions.factor_forms import CodeField, take_recovery_codes
from sessions.login_pages import CodePage, PasswordPage
from sessions.places import Place
from sessions.second_step import IN_ADMIN
from users.credentials import get_user_by_username
from users.errors import SecondFactorRequired, UsersError
from users.models import User
from users.origin import Origin
from users.record.events import Event


class PasswordForm(AuthenticationForm):  # type: ignore[misc]  # the theme has no types
    """Name and password. ``awaits_code`` is the user whose password is right and who has a second factor."""

    awaits_code: User | None = None

    def clean(self) -> dict[str, Any]:
        typed: dict[str, Any] = self.cleaned_data
        if typed.get("username") and typed.get("password"):
            self._check(typed["username"], typed["password"])
        return typed

    def _check(self, username: str, password: str) -> None:
        assert self.request is not None  # noqa: S101  # the view passes it
        user: User | None
        try:
            user = self.user_cache = get_user_by_username(username, password, caller=Place.of(Origin.of(self.request)))
        except SecondFactorRequired as required:
            user = self.awaits_code = required.user
        except UsersError:
            user = None
        if user is None:
            raise self.get_invalid_login_error()
        try:
            self.confirm_login_allowed(user)
        except forms.ValidationError:
            Place.of(Origin.of(self.request)).record(Event.LOGIN_REFUSED, user, reason="not_staff")
            raise


class PasswordView(PasswordPage):
    step, code_url = IN_ADMIN, "admin:login_code"
    template_name = "admin/login.html"

    def get_default_redirect_url(self) -> str:
        return reverse("admin:index")


class CodeForm(forms.Form):
    """A code of the user's app or, with ``by_recovery_code``, one of their recovery codes. Either field takes both."""

    code = CodeField(label="Code from your authenticator app")

    def __init__(self, *args: Any, by_recovery_code: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["code"]
        field.widget.attrs["autofocus"] = True
        if by_recovery_code:
            take_recovery_codes(field)


@method_decorator([sensitive_post_parameters("code"), never_cache], name="dispatch")
class CodeView(CodePage):
    step, home_url = IN_ADMIN, "admin:index"
    form_class = CodeForm
    template_name = "sessions/login_code.html"

    def tell_how_many_are_left(self, left: int) -> None:
        plural, url = "" if left == 1 else "s", reverse("admin:second_factor")
        text = 'You have {} recovery code{} left. <a href="{}" class="underline">Your second factor</a>'
        messages.warning(self.request, format_html(text, left, plural, url))
