"""Check new passwords with `AUTH_PASSWORD_VALIDATORS` from the settings.

Django's own forms and commands use the same validators. Existing passwords are not checked again at log-in.
"""

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from users.errors import PasswordRefused
from users.models import User


def check_new_password(password: str, *, user: User | None = None, field: str = "password") -> None:
    """Check a new password. With ``user``, also check that it does not resemble their names or email.

    Args: field: the name of the parameter, for the error. Raises: PasswordRefused.
    """
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise PasswordRefused(field, error.messages) from error


def never_had_a_password(user: User) -> bool:
    """Return whether nobody has ever set a password of the user. For staff: their invitation is pending."""
    return not user.has_usable_password() and user.password_changed_at is None
