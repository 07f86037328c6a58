"""Codes that are appended to the password, for clients without a field for them."""

import re

from users.models import User
from users.second_factor.codes import DIGITS
from users.second_factor.recovery import LENGTH, is_recovery_code

_ENDS_IN_DIGITS = re.compile(f"[0-9]{{{DIGITS}}}")
# The text of a recovery code, with or without blanks and dashes between its characters.
_ENDS_IN_LONG_CODE = re.compile(rf"(?:[A-Za-z0-9][\s-]*){{{LENGTH - 1}}}[A-Za-z0-9]\s*\Z")


def split_off_code(user: User, typed: str) -> tuple[str, str]:
    """Split ``typed`` into the password and the code of ``user``, who has a second factor.

    The end of a text may look like both kinds of code. So it counts as a recovery code only if the user has that code.
    Thus there is one way to read the text, and one password to hash.

    Returns: the password and the code. If there is no code, it is empty, and the password is the whole text.
    """
    if (long := _ENDS_IN_LONG_CODE.search(typed)) and is_recovery_code(user, long[0]):
        return typed[: long.start()], long[0]
    if _ENDS_IN_DIGITS.fullmatch(typed[-DIGITS:]):
        return typed[:-DIGITS], typed[-DIGITS:]
    return typed, ""
