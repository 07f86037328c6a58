"""One-time codes sent by mail (OWASP Forgot Password Cheat Sheet; NIST SP 800-63B §4.2.1).

A code serves one purpose of one user. It has 48 random bits: wrong guesses can't find it, so they need not
kill it either, and a stranger can't take a user's code away by guessing.
"""

import hmac
import re
import secrets
from collections.abc import Sequence
from datetime import timedelta

from django.db import connection
from django.utils.crypto import salted_hmac

from users.clock import database_now
from users.errors import CodeInvalid
from users.models import OneTimeCode, User
from users.throttling import Allowance, count_attempt, identity_of, network_of

LIFETIME = timedelta(minutes=10)
DIGITS = 12
_GROUP = 4
_BETWEEN_GROUPS = re.compile(r"[\s-]+")
Purpose = OneTimeCode.Purpose

_LIVE_DIGESTS = """
SELECT user_id, digest FROM users_onetimecode
 WHERE user_id = ANY(%s) AND purpose = %s AND expires_at > clock_timestamp()
"""


def count_request(identity: str, *, ip: str | None) -> None:
    """Count that a code is asked for, whoever that identity means. Raises: TooManyAttempts."""
    count_attempt(Allowance("reset", identity_of(identity)), Allowance("reset_address", network_of(ip)))


def issue_code(user: User, *, purpose: Purpose = Purpose.RESET) -> str:
    """Make a new code and return it as it is mailed, `3f9a 1c07 b2e4`. The one before it is dead."""
    code = _random_code()
    now = database_now()
    row = OneTimeCode(
        user=user, purpose=purpose, digest=_digest(user, code, purpose), created_at=now, expires_at=now + LIFETIME
    )
    OneTimeCode.objects.bulk_create(
        [row],
        update_conflicts=True,
        unique_fields=["user", "purpose"],
        update_fields=["digest", "created_at", "expires_at"],
    )
    return " ".join(code[start : start + _GROUP] for start in range(0, DIGITS, _GROUP))


def count_try(identity: str, *, ip: str | None) -> tuple[Allowance, ...]:
    """Count that a code is tried, before it is compared. Returns what the attempt was counted against.

    Do not call it inside a transaction: a rollback would forget the attempt. Raises: TooManyAttempts.
    """
    allowances = Allowance("reset_try", identity_of(identity)), Allowance("reset_address", network_of(ip))
    count_attempt(*allowances)
    return allowances


def check_code(user: User | None, code: str, *, purpose: Purpose = Purpose.RESET) -> None:
    """Compare ``code`` with the user's; None stands for an identity that nobody has, at the same cost.

    Raises: CodeInvalid.
    """
    find_by_code([user] if user else [], code, purpose=purpose)


def find_by_code(users: Sequence[User], code: str, *, purpose: Purpose) -> User:
    """The one of ``users`` that ``code`` was mailed to. Raises: CodeInvalid."""
    with connection.cursor() as cursor:
        cursor.execute(_LIVE_DIGESTS, ([user.pk for user in users], purpose))
        digests = {user_id: bytes(digest) for user_id, digest in cursor.fetchall()}
    for user in users:
        if user.pk in digests and hmac.compare_digest(digests[user.pk], _digest(user, code, purpose)):
            return user
    raise CodeInvalid


def use_up(user: User, code: str, *, purpose: Purpose = Purpose.RESET) -> None:
    """Delete the code. When two requests found it right at once, only one of them gets past this.

    Raises: CodeInvalid, when it is gone or another has taken its place.
    """
    codes = OneTimeCode.objects.filter(user=user, purpose=purpose, digest=_digest(user, code, purpose))
    if not codes.delete()[0]:
        raise CodeInvalid


def address_for(user: User, purpose: Purpose) -> str:
    """The address that the user's code for ``purpose`` is mailed to; empty for a user who has none."""
    return (user.latest_email if purpose == Purpose.EMAIL else user.email) or ""


def forget_code(user_id: str) -> None:
    """Delete the user's codes, whatever they are for."""
    OneTimeCode.objects.filter(user=user_id).delete()


def forget_all_codes() -> None:
    """No code of anybody opens anything any more."""
    OneTimeCode.objects.all().delete()


def _random_code() -> str:
    # A code of digits only, or like 12345678901e2, could be taken for a number on its way.
    while not set(code := secrets.token_hex(DIGITS // 2)) & set("abcdf"):
        pass
    return code


def _digest(user: User, code: str, purpose: Purpose) -> bytes:
    # The key is not in the database, so a stolen database does not help to guess a code. The user, the
    # purpose and the address are in the digest, so a code is worth nothing for another user or purpose, and
    # nothing once another address has taken the place of the one that it was mailed to.
    typed = _BETWEEN_GROUPS.sub("", code).lower()
    facts = f"{user.pk}\0{purpose}\0{address_for(user, purpose)}\0{typed}"
    return salted_hmac("users.reset_codes", facts, algorithm="sha256").digest()
