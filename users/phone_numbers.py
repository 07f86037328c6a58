"""Read a phone number however it is written: `00990…`, `+99 (0) 000-29033`, `0170 1234567`, or its last digits."""

import re
import unicodedata
from dataclasses import dataclass

import phonenumbers
from django.conf import settings

FEWEST_DIGITS = 6
MOST_DIGITS = 20  # E.164 allows 15; `00` or `011` may be before them
# What people write in a phone number, besides digits.
_PUNCTUATION = re.compile(r"[\s().\-/\u2010-\u2015]+")
_TRUNK_ZERO = re.compile(r"\(\s*0\s*\)")


@dataclass(frozen=True)
class PhoneForms:
    """The digits that find a number: all of it as it may be stored, and the digits in which it ends."""

    whole: frozenset[str]
    ending: str


def phone_forms(text: str) -> PhoneForms | None:
    """Return how the phone number ``text`` may be stored. None if it is no phone number, or too short for one."""
    text = unicodedata.normalize("NFKC", text).strip().removeprefix("tel:")
    compact = _PUNCTUATION.sub("", text)
    is_international = compact.startswith("+") or _digits(compact[:2]) == "00"
    if is_international:
        compact = _PUNCTUATION.sub("", _TRUNK_ZERO.sub("", text))
    digits = _digits(compact.removeprefix("+"))
    if digits is None or not FEWEST_DIGITS <= len(digits) <= MOST_DIGITS:
        return None
    bare = digits.lstrip("0")
    whole = {digits, *_parsed("+" + bare if is_international else digits)}
    if is_international:
        whole |= {bare, "00" + bare}
    return PhoneForms(frozenset(whole), bare if len(bare) >= FEWEST_DIGITS else digits)


def _digits(text: str) -> str | None:
    """Return ``text`` with the digits 0 to 9 of any script as ASCII. None if it has other characters."""
    return "".join(str(unicodedata.decimal(digit)) for digit in text) if text.isdecimal() else None


def _parsed(text: str) -> set[str]:
    """Return the forms of the number ``text`` with and without its country. Empty if the country is not known."""
    try:
        number = phonenumbers.parse(text, settings.PHONE_REGION or None)
    except phonenumbers.NumberParseException:
        return set()
    national = phonenumbers.national_significant_number(number)
    international = f"{number.country_code}{national}"
    # A form of a few digits would find other people.
    forms = {international, "00" + international, national, "0" + national}
    return {form for form in forms if len(form) >= FEWEST_DIGITS}
