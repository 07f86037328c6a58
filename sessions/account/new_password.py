"""The form that sets a new password with a code from a mail."""

from typing import Any

from django import forms
from django.contrib.auth.password_validation import password_validators_help_text_html

from sessions.account.forms import PasswordField
from sessions.factor_forms import CODE_LENGTH


class NewPasswordForm(forms.Form):
    """Asks for the code and for the new password, once: the user can have it shown, and can reset it again."""

    code = forms.CharField(
        label="Code from our mail",
        max_length=CODE_LENGTH,
        widget=forms.TextInput(
            attrs={"autocomplete": "one-time-code", "autocapitalize": "none", "spellcheck": "false"}
        ),
    )
    password = PasswordField(label="New password", autocomplete="new-password")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["password"].help_text = password_validators_help_text_html()
