"""The log-in to the admin: the page for the password, and the page for the code of those who have a second factor."""

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth import views
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.generic import FormView
from unfold.forms import AuthenticationForm

from sessions.browser import log_in
from sessions.factor_forms import CodeField, when_again
from sessions.places import Place
from sessions.second_step import find_user, forget, remember
from users.credentials import allowances_here, get_user_by_username, use_own_code
from users.errors import SecondFactorInvalid, SecondFactorRequired, TooManyAttempts, TooManyCodes, UsersError
from users.models import User
from users.origin import Origin
from users.record.events import Event
from users.second_factor.codes import Kind
from users.second_factor.recovery import count_recovery_codes
from users.throttling import keys_of, take_back


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


class PasswordView(views.LoginView):
    """Django's log-in page. A log-in opens a session in our session table. A second factor comes first."""

    template_name = "admin/login.html"

    def get_default_redirect_url(self) -> str:
        return reverse("admin:index")

    def form_valid(self, form: Any) -> HttpResponse:
        if form.awaits_code is not None:
            return self._ask_for_code(form.awaits_code)
        try:
            log_in(self.request, form.get_user())
        except UsersError:  # the password has changed since it was checked, or the admin is switched off
            form.add_error(None, form.get_invalid_login_error())
            return self.form_invalid(form)
        return HttpResponseRedirect(self.get_success_url())

    def _ask_for_code(self, user: User) -> HttpResponse:
        there = urlencode({self.redirect_field_name: self.get_success_url()})
        response = HttpResponseRedirect(f"{reverse('admin:login_code')}?{there}")
        remember(response, user)
        return response


class CodeForm(forms.Form):
    """A code of the user's app or, with ``by_recovery_code``, one of their recovery codes. Either field takes both."""

    code = CodeField(label="Code from your authenticator app")

    def __init__(self, *args: Any, by_recovery_code: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["code"]
        field.widget.attrs["autofocus"] = True
        if by_recovery_code:
            field.label = "Recovery code"
            del field.widget.attrs["inputmode"]  # it has letters, too
            field.widget.attrs |= {"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}


@method_decorator([sensitive_post_parameters("code"), never_cache], name="dispatch")
class CodeView(views.RedirectURLMixin, FormView):  # type: ignore[type-arg]  # generic for mypy only
    """The page that asks for the code, after the right password. A right code opens the session."""

    form_class = CodeForm
    template_name = "sessions/login_code.html"
    redirect_field_name = "next"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        user = find_user(request)
        if user is None:
            return self._start_again("Log in again: the password is more than a few minutes ago.")
        self.user = user
        return super().dispatch(request, *args, **kwargs)

    def get_default_redirect_url(self) -> str:
        return reverse("admin:index")

    def get_form_kwargs(self) -> dict[str, Any]:
        return {**super().get_form_kwargs(), "by_recovery_code": self._is_by_recovery_code}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        there = {"next": self.get_success_url()}
        urls = {
            "here": self._address(),
            "other": f"{self.request.path}?{urlencode(there | ({} if self._is_by_recovery_code else {'recovery': 1}))}",
            "password": f"{reverse('admin:login')}?{urlencode(there)}",
        }
        return super().get_context_data(urls=urls, by_recovery_code=self._is_by_recovery_code, **kwargs)

    def form_valid(self, form: CodeForm) -> HttpResponse:
        user, caller = self.user, Place.of(Origin.of(self.request))
        self.own_allowances = allowances_here(user, caller=caller)  # now: the log-in makes this place a known one
        try:
            user.shown_factor = use_own_code(user, form.cleaned_data["code"], caller=caller)
        except SecondFactorInvalid:
            form.add_error("code", "This code is wrong, used or too old. Type the one that your app shows now.")
            return self.form_invalid(form)
        except TooManyAttempts as error:
            instead = " Use a recovery code." if isinstance(error, TooManyCodes) else ""
            form.add_error("code", when_again(error) + instead)
            return self.form_invalid(form)
        return self._log_in(user)

    def _log_in(self, user: User) -> HttpResponse:
        try:
            log_in(self.request, user)
        except UsersError:  # the password has changed meanwhile, or the admin is switched off
            return self._start_again("That did not work. Log in again.")
        take_back(keys_of(clear=self.own_allowances))
        if user.shown_factor is Kind.RECOVERY_CODE:
            self._tell_how_many_are_left(user)
        response = HttpResponseRedirect(self.get_success_url())
        forget(response)
        return response

    def _start_again(self, told: str) -> HttpResponse:
        messages.info(self.request, told)
        there = urlencode({"next": self.get_success_url()})
        response = HttpResponseRedirect(f"{reverse('admin:login')}?{there}")
        forget(response)
        return response

    def _tell_how_many_are_left(self, user: User) -> None:
        left, url = count_recovery_codes(user), reverse("admin:second_factor")
        plural = "" if left == 1 else "s"
        text = 'You have {} recovery code{} left. <a href="{}" class="underline">Your second factor</a>'
        messages.warning(self.request, format_html(text, left, plural, url))

    def _address(self) -> str:
        there = {"next": self.get_success_url()} | ({"recovery": 1} if self._is_by_recovery_code else {})
        return f"{self.request.path}?{urlencode(there)}"

    @property
    def _is_by_recovery_code(self) -> bool:
        return "recovery" in self.request.GET
