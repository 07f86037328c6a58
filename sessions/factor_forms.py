"""Parts of forms that ask for a password or for a code of a second factor."""

from typing import Any, ClassVar

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminTextInputWidget

from sessions.browser import find_session
from sessions.errors import WrongPasswordGiven
from sessions.models import Session
from sessions.reauthentication import is_recent, prove_again
from users.errors import TooManyAttempts, TooManyCodes
from users.origin import Origin
from users.second_factor.enabling import has_factor

# The longest text that the field of a code takes. A recovery code has 29 characters with its dashes.
CODE_LENGTH = 64


def session_of(request: HttpRequest) -> Session:
    """Return the session of the browser. Raises: PermissionDenied, if it has ended since the request arrived."""
    session = find_session(request)
    if session is None or session.user is None:
        raise PermissionDenied
    return session


def when_again(error: TooManyAttempts) -> str:
    """Return the text of ``error`` for people."""
    if isinstance(error, TooManyCodes):
        return f"Too many wrong codes. The codes of your app work again in {-(-error.retry_after // 3600)} h."
    return f"Too many attempts. Try again in {-(-error.retry_after // 60)} min."


class CodeField(forms.CharField):
    """Six digits of an authenticator app. Blanks between them do no harm."""

    widget_class: ClassVar[type[forms.TextInput]] = UnfoldAdminTextInputWidget

    def __init__(self, **kwargs: Any) -> None:
        hints = {"autocomplete": "one-time-code", "inputmode": "numeric"}
        super().__init__(max_length=CODE_LENGTH, widget=self.widget_class(attrs=hints), **kwargs)


def take_recovery_codes(field: forms.Field) -> None:
    """Change a `CodeField` so that it asks for a recovery code."""
    field.label = "Recovery code"
    del field.widget.attrs["inputmode"]  # it has letters, too
    field.widget.attrs |= {"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}


class ProvingForm(forms.Form):
    """A form that asks for the user's password, or for a code of their app, if they last gave one too long ago.

    A wrong one counts like a failed log-in. It is checked only if the rest of the form is valid, because a code works
    once.
    """

    proof = forms.CharField(
        strip=False,
        max_length=4096,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "current-password"}),
    )

    def __init__(self, *args: Any, request: HttpRequest, asks_again: bool = True, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.request = request
        session = session_of(request)
        if not asks_again or is_recent(session):
            del self.fields["proof"]
            return
        field = self.fields["proof"]
        self.takes_codes = session.user is not None and has_factor(session.user)
        field.label = "Your password, or a code from your app" if self.takes_codes else "Your password"
        field.help_text = "You last gave it some time ago."

    def clean(self) -> dict[str, Any]:
        super().clean()
        if "proof" in self.fields and not self.errors:
            self._check(self.cleaned_data["proof"])
        self._focus_on_first_error()
        return self.cleaned_data

    def _check(self, typed: str) -> None:
        try:
            prove_again(session_of(self.request), typed, origin=Origin.of(self.request))
        except WrongPasswordGiven:
            neither = "This is neither your password nor a code that is valid now. Each code works once."
            self.add_error("proof", neither if self.takes_codes else "This is not your password.")
        except TooManyAttempts as error:
            instead = " Type your password." if isinstance(error, TooManyCodes) else ""
            self.add_error("proof", when_again(error) + instead)

    def _focus_on_first_error(self) -> None:
        wrong = next((name for name in self.fields if name in self.errors), None)
        if wrong is None:
            return
        for field in self.fields.values():
            field.widget.attrs.pop("autofocus", None)
        self.fields[wrong].widget.attrs["autofocus"] = True
