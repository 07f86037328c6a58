"""The admin's form of a user."""

from typing import Any

from django import forms
from django.contrib.auth.forms import UserChangeForm
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from unfold.widgets import UnfoldAdminPasswordWidget

from sessions.browser import find_session
from sessions.errors import WrongPasswordGiven
from sessions.reauthentication import is_recent, prove_again
from users.errors import TooManyAttempts
from users.models import User
from users.origin import Origin

_UNIQUE = {"username": "username__iexact", "email": "email__iexact", "phone_number": "phone_number"}
# Labels and help of fields that have other words in Django.
_WORDS = {
    "is_active": ("Enabled", "Off: the user can't log in, and all their sessions end."),
    "is_staff": ("Staff", "On: the user can log in to the admin."),
    "is_superuser": ("Superuser", "On: the user has every permission."),
}

# A change of one of these needs the actor's password, unless the actor has logged in recently.
_GUARDED = {"username", "email", "phone_number", "is_active", "is_staff", "is_superuser", "groups", "user_permissions"}


class ActorsPassword(forms.CharField):
    """The password of the member of staff who uses the form. It is not a field of the user."""

    def __init__(self) -> None:
        super().__init__(
            label="Your password",
            required=False,
            strip=False,
            widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "current-password"}),
            help_text="Needed to change the user name, email, phone number or permissions, or to disable the account, "
            "long after the log-in. If you have a second factor, a code from your app will do.",
        )

    def has_changed(self, initial: Any, data: Any) -> bool:
        return False


class UserForm(UserChangeForm):  # type: ignore[type-arg]  # generic for mypy only
    """The form of a user. It stores empty texts as NULL: unique columns allow many NULLs, but one empty string."""

    request: HttpRequest  # `UserAdmin.get_form` sets it
    password = None  # type: ignore[assignment]  # staff neither see its hash nor choose another user's password
    your_password = ActorsPassword()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance._state.adding:
            del self.fields["your_password"]
        for name, (label, help_text) in _WORDS.items():
            if name in self.fields:
                self.fields[name].label, self.fields[name].help_text = label, help_text

    def clean_email(self) -> str | None:
        return self.cleaned_data.get("email") or None

    def clean_phone_number(self) -> str | None:
        return self.cleaned_data.get("phone_number") or None

    def clean(self) -> None:
        """Report which field is taken. Django can't, because the constraints leave out deleted users."""
        super().clean()
        others = User.objects.filter(deleted_at=None).exclude(pk=self.instance.pk)
        for field, lookup in _UNIQUE.items():
            value = self.cleaned_data.get(field)
            if value and others.filter(**{lookup: value}).exists():
                self.add_error(field, "Another user has this already.")
        if not self.instance._state.adding and _GUARDED & set(self.changed_data):
            self._require_recent_password()

    def _require_recent_password(self) -> None:
        session = find_session(self.request)
        if session is None:  # the actor's session has ended since the request arrived
            raise PermissionDenied
        wrong = getattr(self.request, "wrong_proof", "")  # set by `prove_before_saving`
        if wrong:
            self.add_error("your_password", wrong)
        elif not is_recent(session):
            self.add_error("your_password", "Type your password to change this: you logged in some time ago.")


def prove_before_saving(request: HttpRequest) -> None:
    """Check the password or code that the actor has typed into the form, if their log-in is not recent.

    Call it before the transaction that saves the form: a rollback would undo the count of the attempt, and a used code
    would be valid again. `UserForm` reports what is wrong.
    """
    session, typed = find_session(request), request.POST.get("your_password")
    if session is None or not typed or is_recent(session):
        return
    try:
        prove_again(session, typed, origin=Origin.of(request))
    except WrongPasswordGiven:
        request.wrong_proof = "This is not your password."  # type: ignore[attr-defined]
    except TooManyAttempts as error:
        minutes = -(-error.retry_after // 60)
        request.wrong_proof = f"Too many attempts. Try again in {minutes} min."  # type: ignore[attr-defined]
