"""Check new passwords with `AUTH_PASSWORD_VALIDATORS` from the settings.

Django's own forms and commands use the same validators. Existing passwords are not checked again at log-in.
"""

import re
from collections.abc import Iterator

from django.conf import settings
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


class WordsOfTheService:
    """A validator for which the words of this service do not count (OWASP ASVS 5.0, 6.1.2 and 6.2.11).

    An attacker tries them first. A password is refused if too few characters are left without them. So a passphrase
    may contain them. The words are `PASSWORD_WORDS`, `SERVICE_NAME` and "ZapAuth", in any case of letters.
    """

    def validate(self, password: str, user: User | None = None) -> None:
        rest = password.casefold()
        for word in sorted(self._words(), key=len, reverse=True):
            rest = rest.replace(word, "")
        if rest != password.casefold() and len(rest) < settings.PASSWORD_MIN_LENGTH:
            raise ValidationError(
                "This password contains a word of this service, and too little else.", code="password_of_service"
            )

    def get_help_text(self) -> str:
        return "Words of this service, such as its name, do not count towards the length."

    @staticmethod
    def _words() -> Iterator[str]:
        for text in ("ZapAuth", settings.SERVICE_NAME, *settings.PASSWORD_WORDS):
            for word in (text, *re.split(r"\W+", text)):
                if len(word) > 2:  # shorter ones are in many passwords
                    yield word.casefold()
