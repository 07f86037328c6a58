"""The forms' common parts: fields without the admin's theme, and the order in which a page shows their errors."""

from typing import Any

from django import forms

from sessions.factor_forms import CodeField as AnyCodeField
from sessions.factor_forms import ProvingForm as AnyProvingForm

PASSWORD_LENGTH = 4096


class CodeField(AnyCodeField):
    widget_class = forms.TextInput


class PasswordField(forms.CharField):
    """A password. ``autocomplete`` tells password managers which one."""

    def __init__(self, *, autocomplete: str, **kwargs: Any) -> None:
        widget = forms.PasswordInput(attrs={"autocomplete": autocomplete})
        super().__init__(strip=False, max_length=PASSWORD_LENGTH, widget=widget, **kwargs)


class ProvingForm(AnyProvingForm):
    """Asks for the user's password or a code, if they last gave one too long ago."""

    proof = PasswordField(autocomplete="current-password")
