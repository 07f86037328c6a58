"""The page where users change their password."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render

from sessions.account.forms import PasswordField
from sessions.account.guard import own_page, user_of
from sessions.models import Session
from sessions.own_password import CountsOldPassword, change_password_here
from users.errors import UsersError, WrongPassword
from users.models import User
from users.origin import Origin


class PasswordForm(CountsOldPassword):
    """The current password, and the new one twice."""

    old_password = PasswordField(label="Current password", autocomplete="current-password")
    new_password1 = PasswordField(label="New password", autocomplete="new-password")
    new_password2 = PasswordField(label="New password again", autocomplete="new-password")
    field_order = ["old_password", "new_password1", "new_password2"]
    error_messages = {
        **CountsOldPassword.error_messages,
        "password_incorrect": "This is not your current password.",
        "password_mismatch": "The two new passwords differ.",
    }


@own_page
def change_password(request: HttpRequest, session: Session) -> HttpResponseBase:
    """Ask for the current password and a new one. A POST changes it, and all other sessions end."""
    user = user_of(session)
    form: Any = PasswordForm(user, request.POST if request.method == "POST" else None, origin=Origin.of(request))
    if form.is_bound and form.is_valid() and _is_changed(request, form, user):
        messages.success(request, "Your password is changed. All your other sessions have ended.")
        return redirect("account:home")
    return render(request, "account/password.html", {"form": form})


def _is_changed(request: HttpRequest, form: Any, user: User) -> bool:
    """Change the password. False: the form has an error."""
    try:
        change_password_here(request, user, form.cleaned_data["new_password1"])
    except WrongPassword:
        form.add_error("old_password", form.error_messages["password_incorrect"])
    except UsersError:  # the second factor was switched on or off meanwhile, or the account was disabled
        form.add_error(None, "Your account has changed meanwhile. Log in again.")
    return not form.errors
