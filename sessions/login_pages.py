"""The two pages of a log-in by a browser: for the password, and for the code of users who have a second factor.

The admin and the account page have them. Both open a session in our session table.
"""

from typing import Any, ClassVar

from django.contrib import messages
from django.contrib.auth import views
from django.forms import Form
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import urlencode
from django.views.generic import FormView

from sessions.browser import log_in
from sessions.factor_forms import when_again
from sessions.places import Place
from sessions.second_step import SecondStep
from users.credentials import use_own_code
from users.errors import SecondFactorInvalid, TooManyAttempts, TooManyCodes, UsersError
from users.login_attempts import allowances_here
from users.models import User
from users.origin import Origin
from users.second_factor.codes import Kind
from users.second_factor.recovery import count_recovery_codes
from users.throttling import keys_of, take_back


class PasswordPage(views.LoginView):
    """Django's log-in page. A log-in opens a session in our session table. A second factor comes first.

    The form has `awaits_code`: the user whose password is right and who has a second factor.
    """

    step: ClassVar[SecondStep]
    code_url: ClassVar[str]

    def form_valid(self, form: Any) -> HttpResponse:
        if form.awaits_code is not None:
            return self._ask_for_code(form.awaits_code)
        try:
            log_in(self.request, form.get_user())
        except UsersError:  # the password has changed since it was checked, or the page is switched off
            form.add_error(None, form.get_invalid_login_error())
            return self.form_invalid(form)
        return HttpResponseRedirect(self.get_success_url())

    def _ask_for_code(self, user: User) -> HttpResponse:
        there = urlencode({self.redirect_field_name: self.get_success_url()})
        response = HttpResponseRedirect(f"{reverse(self.code_url)}?{there}")
        self.step.remember(response, user)
        return response


class CodePage(views.RedirectURLMixin, FormView):  # type: ignore[type-arg]  # generic for mypy only
    """The page that asks for the code, after the right password. A right code opens the session.

    The form has the field `code`, and takes `by_recovery_code`.
    """

    step: ClassVar[SecondStep]
    home_url: ClassVar[str]
    redirect_field_name = "next"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        user = self.step.find_user(request)
        if user is None:
            return self._start_again("Log in again: the password is more than a few minutes ago.")
        self.user = user
        return super().dispatch(request, *args, **kwargs)

    def get_default_redirect_url(self) -> str:
        return reverse(self.home_url)

    def get_form_kwargs(self) -> dict[str, Any]:
        return {**super().get_form_kwargs(), "by_recovery_code": self._is_by_recovery_code}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        there = {"next": self.get_success_url()}
        urls = {
            "here": self._address(),
            "other": f"{self.request.path}?{urlencode(there | ({} if self._is_by_recovery_code else {'recovery': 1}))}",
            "password": f"{reverse(self.step.login_url)}?{urlencode(there)}",
        }
        return super().get_context_data(urls=urls, by_recovery_code=self._is_by_recovery_code, **kwargs)

    def form_valid(self, form: Form) -> HttpResponse:
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

    def tell_how_many_are_left(self, left: int) -> None:
        """Tell the user how many recovery codes they have left, after they have used one."""
        raise NotImplementedError

    def _log_in(self, user: User) -> HttpResponse:
        try:
            log_in(self.request, user)
        except UsersError:  # the password has changed meanwhile, or the page is switched off
            return self._start_again("That did not work. Log in again.")
        take_back(keys_of(clear=self.own_allowances))
        if user.shown_factor is Kind.RECOVERY_CODE:
            self.tell_how_many_are_left(count_recovery_codes(user))
        response = HttpResponseRedirect(self.get_success_url())
        self.step.forget(response)
        return response

    def _start_again(self, told: str) -> HttpResponse:
        messages.info(self.request, told)
        there = urlencode({"next": self.get_success_url()})
        response = HttpResponseRedirect(f"{reverse(self.step.login_url)}?{there}")
        self.step.forget(response)
        return response

    def _address(self) -> str:
        there = {"next": self.get_success_url()} | ({"recovery": 1} if self._is_by_recovery_code else {})
        return f"{self.request.path}?{urlencode(there)}"

    @property
    def _is_by_recovery_code(self) -> bool:
        return "recovery" in self.request.GET
