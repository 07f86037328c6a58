"""Recovery codes: each one replaces a code of the app once, for example when the phone is lost.

A code has 120 random bits, so a plain SHA-256 digest is enough to store it (OWASP ASVS 5.0, 6.5.2 asks for 112 bits).
"""

import hashlib
import re
import secrets

from django.db.models import QuerySet

from users.clock import database_now
from users.models import RecoveryCode, User

COUNT = 10  # how many codes a user gets
LENGTH = 24  # in characters, without dashes
_GROUP = 4
WRITTEN_LENGTH = LENGTH + LENGTH // _GROUP - 1  # with the dashes
# Crockford's base 32 has no letter that looks like a digit or like another letter.
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_MISREAD = str.maketrans("oil", "011")
_BETWEEN = re.compile(r"[\s-]+")
_CODE = re.compile(f"[{_ALPHABET}]{{{LENGTH}}}")


def make_recovery_codes(user: User) -> list[str]:
    """Make ten codes and return them as the user sees them: `4f6k-9m2x-…`, six groups of four.

    They replace all earlier ones. Call it in a transaction that has locked the user's row.
    """
    codes = ["".join(secrets.choice(_ALPHABET) for _ in range(LENGTH)) for _ in range(COUNT)]
    forget_recovery_codes(user)
    now = database_now()
    RecoveryCode.objects.bulk_create(
        RecoveryCode(user=user, digest=_digest(user, code), created_at=now) for code in codes
    )
    return ["-".join(code[start : start + _GROUP] for start in range(0, LENGTH, _GROUP)) for code in codes]


def use_recovery_code(user: User, typed: str) -> bool:
    """Delete the code and return whether the user had it. If two requests use the same code, one succeeds.

    Case, blanks and dashes don't matter.
    """
    code = _read(typed)
    return code is not None and bool(_rows(user, code).delete()[0])


def is_recovery_code(user: User, typed: str) -> bool:
    """Return whether the user has this code. The code stays valid."""
    code = _read(typed)
    return code is not None and _rows(user, code).exists()


def count_recovery_codes(user: User) -> int:
    """Return how many codes the user has left."""
    return RecoveryCode.objects.filter(user=user).count()


def forget_recovery_codes(user: User) -> None:
    """Delete all codes of the user."""
    RecoveryCode.objects.filter(user=user).delete()


def _rows(user: User, code: str) -> QuerySet[RecoveryCode]:
    return RecoveryCode.objects.filter(user=user, digest=_digest(user, code))


def _read(typed: str) -> str | None:
    """Return the code without dashes, in lower case, or None if the text can't be a code."""
    code = _BETWEEN.sub("", typed).lower().translate(_MISREAD)
    return code if _CODE.fullmatch(code) else None


def _digest(user: User, code: str) -> bytes:
    # No key: the codes must outlive a change of SECRET_KEY.
    return hashlib.sha256(f"{user.pk}\0{code}".encode()).digest()
