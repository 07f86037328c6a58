"""Which new passwords are good enough, for every door: `AUTH_PASSWORD_VALIDATORS` of the settings.

Django's own forms and commands ask the same validators. Passwords from before stay good for log-in.
"""

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from users.errors import PasswordRefused
from users.models import User


def check_new_password(password: str, *, user: User | None = None, field: str = "password") -> None:
    """Check a password that somebody chooses; with ``user`` that it is not like their name or address, too.

    ``field`` is the parameter that it came in. Raises: PasswordRefused.
    """
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise PasswordRefused(field, error.messages) from error
