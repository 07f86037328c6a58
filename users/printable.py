"""Refuse characters that nobody can see, in the texts by which people are known.

They could break the header of a mail, or make a name look like somebody else's. Both functions are Django validators.
Forms, models and the dialects' fields use them.
"""

import unicodedata

from django.core.exceptions import ValidationError

_TOLD = "Leave out characters that can't be seen, such as line breaks."
# Control characters, halves of characters, and line separators.
_CATEGORIES = {"Cc", "Cs", "Zl", "Zp"}
# Characters that turn the direction of the text after them (Unicode Standard Annex #9, section 2), and spaces without
# width. A name may have the other characters that nobody sees: Persian, languages of India and emoji need them, and
# phones put some into what people type.
_TURNING = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
_SPACES = "\u200b\u2060\ufeff"


def validate_identity(text: str) -> None:
    """Check an email, a user name or a phone number: all of its characters are printable. Raises: ValidationError."""
    if not text.isprintable():
        raise ValidationError(_TOLD)


def validate_name(text: str) -> None:
    """Check a person's name. It may have any visible space, and the joiners of its script. Raises: ValidationError."""
    if not text.isprintable() and any(_is_harmful(character) for character in text):
        raise ValidationError(_TOLD)


def _is_harmful(character: str) -> bool:
    return (
        unicodedata.category(character) in _CATEGORIES
        or unicodedata.bidirectional(character) in _TURNING
        or character in _SPACES
    )
