"""Mask emails and phone numbers, so that the record holds no full address."""

import re

# Bounded, so that a long text takes no quadratic time.
_EMAIL = re.compile(r"[^\s@,;:<>()\"']{1,320}@[^\s@,;:<>()\"']{1,320}")
_PHONE = re.compile(r"\+\d[\d ./()-]{3,30}\d")


def masked_email(text: str | None) -> str:
    """Return the email with the first character of its name and its domain: `a***@example.org`. None: an empty text."""
    if not text:
        return ""
    name, at, domain = text.rpartition("@")
    # Without an "@" it is no email. Then it may be anything, so only its first character stays.
    return f"{name[:1]}***@{domain}" if at else f"{text[:1]}***"


def masked_phone(text: str | None) -> str:
    """Return the phone number with its last two digits only: `***89`. None: an empty text."""
    if not text:
        return ""
    return f"***{text[-2:]}" if len(text) > 4 else "***"  # a short text would be given away


def masked_text(text: str) -> str:
    """Mask each email, and each phone number that begins with a plus, in a text that somebody typed."""
    text = _EMAIL.sub(lambda found: masked_email(found[0]), text)
    return _PHONE.sub(lambda found: masked_phone(found[0]), text)
