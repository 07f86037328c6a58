"""The forms' common parts: fields without the admin's theme, and the order in which a page shows their errors."""

from typing import Any

from django import forms

from sessions.factor_forms import CODE_LENGTH
from sessions.factor_forms import CodeField as AnyCodeField
from sessions.factor_forms import ProvingForm as AnyProvingForm

PASSWORD_LENGTH = 4096
# The longest email, phone number or user name.
IDENTITY_LENGTH = 320


class CodeField(AnyCodeField):
    widget_class = forms.TextInput


class IdentityField(forms.CharField):
    """A user name, an email or a phone number."""

    def __init__(self, **kwargs: Any) -> None:
        hints = {"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"}
        label = "User name, email or phone number"
        super().__init__(label=label, max_length=IDENTITY_LENGTH, widget=forms.TextInput(attrs=hints), **kwargs)


class PasswordField(forms.CharField):
    """A password. ``autocomplete`` tells password managers which one."""

    def __init__(self, *, autocomplete: str, **kwargs: Any) -> None:
        widget = forms.PasswordInput(attrs={"autocomplete": autocomplete})
        super().__init__(strip=False, max_length=PASSWORD_LENGTH, widget=widget, **kwargs)


class MailedCodeField(forms.CharField):
    """A code of a mail. Blanks and capital letters do no harm."""

    def __init__(self, **kwargs: Any) -> None:
        hints = {"autocomplete": "one-time-code", "autocapitalize": "none", "spellcheck": "false"}
        super().__init__(label="Code", max_length=CODE_LENGTH, widget=forms.TextInput(attrs=hints), **kwargs)


class ProvingForm(AnyProvingForm):
    """Asks for the user's password or a code, if they last gave one too long ago."""

    proof = PasswordField(autocomplete="current-password")
