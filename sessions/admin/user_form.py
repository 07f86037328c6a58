"""The admin's form of a user."""

from typing import Any

from django.contrib.auth.forms import UserChangeForm

from sessions.admin.guarded_form import ActorsPassword, GuardedForm
from users.models import User

_UNIQUE = {"username": "username__iexact", "email": "email__iexact", "phone_number": "phone_number"}
# Labels and help of fields that have other words in Django.
_WORDS = {
    "is_active": ("Enabled", "Off: the user can't log in, and all their sessions end."),
    "is_staff": ("Staff", "On: the user can log in to the admin."),
    "is_superuser": ("Superuser", "On: the user has every permission."),
}


class UserForm(GuardedForm, UserChangeForm):  # type: ignore[type-arg]  # generic for mypy only
    """The form of a user. It stores empty texts as NULL: unique columns allow many NULLs, but one empty string."""

    password = None  # type: ignore[assignment]  # staff neither see its hash nor choose another user's password
    guarded = frozenset(
        {"username", "email", "phone_number", "is_active", "is_staff", "is_superuser", "groups", "user_permissions"}
    )
    your_password = ActorsPassword(
        "to change the user name, email, phone number or permissions, or to disable the account"
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, (label, help_text) in _WORDS.items():
            if name in self.fields:
                self.fields[name].label, self.fields[name].help_text = label, help_text

    def _get_validation_exclusions(self) -> set[str]:
        """Leave out what staff did not change. An earlier version took names that are refused now."""
        unchanged = set() if self.instance._state.adding else set(self.fields) - set(self.changed_data)
        found: set[str] = super()._get_validation_exclusions()  # type: ignore[misc]  # the stubs lack it
        return found | unchanged

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
