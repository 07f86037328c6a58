"""The pages for a forgotten password: ask for a code by mail, and set a new password with it.

Neither page tells whether an account exists. The second one is the same for everybody.
"""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render

from sessions.account.forms import IdentityField, MailedCodeField, PasswordField
from sessions.account.guard import open_page
from sessions.factor_forms import when_again
from sessions.passwords import ask_for_reset_code, reset_password
from users.errors import CodeInvalid, PasswordRefused, TooManyAttempts
from users.origin import Origin

# The cookie keeps the name that the person typed on the first page. The second page needs it.
_IDENTITY = "forgotten"


class IdentityForm(forms.Form):
    identity = IdentityField()


class NewPasswordForm(forms.Form):
    """The code of the mail, and a new password twice."""

    identity = IdentityField()
    code = MailedCodeField()
    new_password = PasswordField(label="New password", autocomplete="new-password")
    new_password_again = PasswordField(label="New password again", autocomplete="new-password")

    def clean(self) -> dict[str, Any]:
        typed = self.cleaned_data
        new, again = typed.get("new_password"), typed.get("new_password_again")
        if new and again and new != again:
            self.add_error("new_password_again", "The two new passwords differ.")
        return typed


@open_page
def ask(request: HttpRequest) -> HttpResponseBase:
    """Ask who it is. A POST mails a code, if that account exists and has an email."""
    form = IdentityForm(request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        identity = form.cleaned_data["identity"]
        try:
            ask_for_reset_code(identity, origin=Origin.of(request))
        except TooManyAttempts as error:
            form.add_error(None, when_again(error))
        else:
            request.session[_IDENTITY] = identity
            return redirect("account:forgotten_code")
    return render(request, "account/forgotten.html", {"form": form})


@open_page
def set_password(request: HttpRequest) -> HttpResponseBase:
    """Ask for the code and a new password. A right code sets it, and all sessions of the user end."""
    first = {"identity": request.session.get(_IDENTITY, "")}
    form = NewPasswordForm(request.POST if request.method == "POST" else None, initial=first)
    if form.is_bound and form.is_valid() and _is_set(request, form):
        request.session.pop(_IDENTITY, None)
        messages.success(request, "Your new password is set. Log in with it.")
        return redirect("account:login")
    return render(request, "account/forgotten_code.html", {"form": form})


def _is_set(request: HttpRequest, form: forms.Form) -> bool:
    """Set the new password. False: the form has an error."""
    typed = form.cleaned_data
    try:
        reset_password(
            typed["identity"], code=typed["code"], new_password=typed["new_password"], origin=Origin.of(request)
        )
    except CodeInvalid:
        form.add_error("code", "This code is wrong, used or too old, or it was mailed for another account.")
    except PasswordRefused as error:
        for reason in error.reasons:
            form.add_error("new_password", reason)
    except TooManyAttempts as error:
        form.add_error(None, when_again(error))
    return not form.errors
