"""Refuse characters that nobody can see, in the texts by which people are known.

They could break the header of a mail, or make a name look like somebody else's. Both functions are Django validators.
Forms, models and the dialects' fields use them.
"""

import unicodedata

from django.core.exceptions import ValidationError

_TOLD = "Leave out characters that can't be seen, such as line breaks."
# Control characters, characters that change the direction of a text, halves of characters, and line separators.
_INVISIBLE = {"Cc", "Cf", "Cs", "Zl", "Zp"}
# Names in Persian and in languages of India need these two, and so do many emoji.
_JOINERS = "\u200c\u200d"


def validate_identity(text: str) -> None:
    """Check an email, a user name or a phone number: all of its characters are printable. Raises: ValidationError."""
    if not text.isprintable():
        raise ValidationError(_TOLD)


def validate_name(text: str) -> None:
    """Check a person's name. It may have any space, and the joiners of its script. Raises: ValidationError."""
    if not text.isprintable() and any(_is_invisible(character) for character in text):
        raise ValidationError(_TOLD)


def _is_invisible(character: str) -> bool:
    return unicodedata.category(character) in _INVISIBLE and character not in _JOINERS
