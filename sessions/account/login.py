"""The log-in to the account page, and the way out."""

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.forms import AuthenticationForm
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from sessions.account.browser import find_session, log_out
from sessions.account.forms import CodeField, IdentityField, PasswordField
from sessions.account.guard import open_page, safe_target
from sessions.factor_forms import take_recovery_codes, when_again
from sessions.login_pages import CodePage, PasswordPage
from sessions.places import Place
from sessions.second_step import IN_ACCOUNT
from users.credentials import get_user_by_identity
from users.errors import AccountDisabled, BadCredentials, SecondFactorRequired, TooManyAttempts
from users.models import User
from users.origin import Origin

_WRONG = "The name or the password is wrong. Capital letters in the password count."


class LogInForm(AuthenticationForm):
    """Name and password. ``awaits_code`` is the user whose password is right and who has a second factor."""

    username = IdentityField()
    password = PasswordField(label="Password", autocomplete="current-password")
    awaits_code: User | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Django takes the length of the user name. An email may be longer.
        self.fields["username"] = IdentityField()

    def clean(self) -> dict[str, Any]:
        typed = self.cleaned_data
        if typed.get("username") and typed.get("password"):
            self._check(typed["username"], typed["password"])
        return typed

    def _check(self, identity: str, password: str) -> None:
        assert self.request is not None  # noqa: S101  # the view passes it
        try:
            self.user_cache = get_user_by_identity(identity, password, caller=Place.of(Origin.of(self.request)))
        except SecondFactorRequired as required:
            self.awaits_code = required.user
        except BadCredentials:
            raise forms.ValidationError(_WRONG, code="invalid_login") from None
        except AccountDisabled:
            raise forms.ValidationError("This account is disabled.", code="disabled") from None
        except TooManyAttempts as error:
            raise forms.ValidationError(when_again(error), code="too_many") from None

    def get_invalid_login_error(self) -> forms.ValidationError:
        return forms.ValidationError("You can't log in here now. Try again later.", code="invalid_login")


class LogInPage(PasswordPage):
    step, code_url = IN_ACCOUNT, "account:login_code"
    form_class = authentication_form = LogInForm
    template_name = "account/login.html"

    def get_default_redirect_url(self) -> str:
        return reverse("account:home")

    def get_redirect_url(self, request: HttpRequest | None = None) -> str:
        return _wanted(self.request)


class CodeForm(forms.Form):
    """A code of the user's app or, with ``by_recovery_code``, one of their recovery codes. Either field takes both."""

    code = CodeField(label="Code from your authenticator app")

    def __init__(self, *args: Any, by_recovery_code: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["code"].widget.attrs["autofocus"] = True
        if by_recovery_code:
            take_recovery_codes(self.fields["code"])


class LogInCodePage(CodePage):
    step, home_url = IN_ACCOUNT, "account:home"
    form_class = CodeForm
    template_name = "account/login_code.html"

    def get_redirect_url(self, request: HttpRequest | None = None) -> str:
        return _wanted(self.request)

    def tell_how_many_are_left(self, left: int) -> None:
        text = (
            f"You have {left} recovery code{'' if left == 1 else 's'} left. You can make new ones under Second factor."
        )
        messages.warning(self.request, text)


def _wanted(request: HttpRequest) -> str:
    """Return the page of the account that the browser wants after the log-in."""
    return safe_target(request, request.POST.get("next", request.GET.get("next", "")))


@open_page
def log_in_page(request: HttpRequest) -> HttpResponseBase:
    """Ask for name and password. A browser that is logged in goes to the page that it wants."""
    if request.method == "GET" and find_session(request) is not None:
        return HttpResponseRedirect(safe_target(request, request.GET.get("next", "")))
    return LogInPage.as_view()(request)


@open_page
def code_page(request: HttpRequest) -> HttpResponseBase:
    """Ask for the code of a second factor, after the right password."""
    return LogInCodePage.as_view()(request)


@open_page
@require_POST
def log_out_page(request: HttpRequest) -> HttpResponseBase:
    """End the browser's session."""
    log_out(request)
    messages.success(request, "You are logged out.")
    return redirect("account:login")
