"""Change one's own password in a browser: what the admin and the account page share, and the page of the admin."""

from typing import Any, cast

from django.contrib.auth.forms import PasswordChangeForm
from django.contrib.auth.views import PasswordChangeView
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from unfold.forms import AdminOwnPasswordChangeForm

from sessions.browser import log_in
from sessions.passwords import set_own_password
from sessions.places import Place
from users.credentials import check_own_password
from users.errors import TooManyAttempts, UsersError, WrongPassword
from users.models import User
from users.origin import Origin
from users.second_factor.codes import Kind


class CountsOldPassword(PasswordChangeForm):
    """Django's form. A wrong old password counts as a failed log-in; after too many, no password is checked."""

    def __init__(self, *args: Any, origin: Origin, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.origin = origin

    def clean_old_password(self) -> str:
        old: str = self.cleaned_data["old_password"]
        try:
            is_right = check_own_password(self.user, old, caller=Place.of(self.origin))
        except TooManyAttempts as error:
            minutes = -(-error.retry_after // 60)
            raise ValidationError(f"Too many attempts. Try again in {minutes} min.", code="too_many") from error
        if not is_right:
            raise ValidationError(self.error_messages["password_incorrect"], code="password_incorrect")
        return old


def change_password_here(request: HttpRequest, user: User, new_password: str) -> None:
    """Set the password of ``user``, who has given the old one. All their sessions end; this browser gets a new one.

    So a copy of its earlier cookie is refused.

    Raises: WrongPassword, when the password was changed meanwhile; other errors of `log_in`. Then nothing changes.
    """
    with transaction.atomic():
        set_own_password(user, new_password, origin=Origin.of(request))
        user.refresh_from_db(fields=["password"])
        user.shown_factor = Kind.EARLIER
        log_in(request, user)


class OwnPasswordForm(CountsOldPassword, AdminOwnPasswordChangeForm):
    """The form with the theme's fields."""


class OwnPasswordView(PasswordChangeView):
    form_class = OwnPasswordForm

    def get_form_kwargs(self) -> dict[str, Any]:
        return {**super().get_form_kwargs(), "origin": Origin.of(self.request)}

    def form_valid(self, form: Any) -> HttpResponse:
        try:
            change_password_here(self.request, cast(User, self.request.user), form.cleaned_data["new_password1"])
        except WrongPassword:
            form.add_error("old_password", form.error_messages["password_incorrect"])
            return self.form_invalid(form)
        except UsersError:  # the second factor was switched on or off meanwhile, or the account was disabled
            form.add_error(None, "Your account has changed meanwhile. Log in again.")
            return self.form_invalid(form)
        return HttpResponseRedirect(self.get_success_url())
