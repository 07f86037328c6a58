"""Admin forms with fields that need the actor's recent password."""

from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminPasswordWidget

from sessions.browser import find_session
from sessions.errors import WrongPasswordGiven
from sessions.reauthentication import is_recent, prove_again
from users.errors import TooManyAttempts
from users.origin import Origin


class ActorsPassword(forms.CharField):
    """The password of the member of staff who uses the form. It is not a field of the object."""

    def __init__(self, what: str) -> None:
        super().__init__(
            label="Your password",
            required=False,
            strip=False,
            widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "current-password"}),
            help_text=f"Needed {what}, long after the log-in. With a second factor, a code from your app will do.",
        )

    def has_changed(self, initial: Any, data: Any) -> bool:
        return False


class GuardedForm(forms.ModelForm):  # type: ignore[type-arg]  # generic for mypy only
    """A form with a field `your_password`. Long after the log-in, a change of a field in ``guarded`` needs it."""

    request: HttpRequest  # `GuardedAdmin.get_form` sets it
    guarded: frozenset[str] = frozenset()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance._state.adding or self.guarded.isdisjoint(self.fields):
            self.fields.pop("your_password", None)

    def clean(self) -> None:
        super().clean()
        if not self.instance._state.adding and self.guarded & set(self.changed_data):
            self._require_recent_password()

    def _require_recent_password(self) -> None:
        session = find_session(self.request)
        if session is None:  # the actor's session has ended since the request arrived
            raise PermissionDenied
        wrong = getattr(self.request, "wrong_proof", "")  # set by `_prove_before_saving`
        if wrong:
            self.add_error("your_password", wrong)
        elif not is_recent(session):
            self.add_error("your_password", "Type your password to change this: you logged in some time ago.")


class GuardedAdmin(ModelAdmin):
    """The admin of a model whose form is a `GuardedForm`."""

    def changeform_view(self, request: HttpRequest, object_id: str | None = None, *args: Any, **kwargs: Any) -> Any:
        if request.method == "POST" and object_id is not None:
            _prove_before_saving(request)
        return super().changeform_view(request, object_id, *args, **kwargs)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change=change, **kwargs)
        form.request = request
        return form


def password_fieldset(request: HttpRequest) -> list[Any]:
    """Return the fieldset with `your_password`, or an empty list while the actor's log-in is recent."""
    session = find_session(request)
    asks = session is not None and not is_recent(session)
    return [(None, {"fields": ["your_password"]})] if asks else []


def _prove_before_saving(request: HttpRequest) -> None:
    """Check the password or code that the actor has typed into the form, if their log-in is not recent.

    This runs before the transaction that saves the form: a rollback would undo the count of the attempt, and a used
    code would be valid again. `GuardedForm` reports what is wrong.
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
