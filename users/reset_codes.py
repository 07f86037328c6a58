"""One-time codes sent by mail (OWASP Forgot Password Cheat Sheet; NIST SP 800-63B §4.2.1).

A code serves one purpose of one user. It has 48 random bits: wrong guesses can't find it, so they need not
kill it either, and a stranger can't take a user's code away by guessing.
"""

import hmac
import re
import secrets
from datetime import timedelta

from django.conf import settings
from django.db import connection
from django.utils.crypto import salted_hmac

from users.callers import Caller, KnownPlace
from users.clock import database_now
from users.errors import CodeInvalid
from users.models import OneTimeCode, User
from users.refused_logins import RESET_CODES, Reason, count_refused, find_wait
from users.throttling import Allowance, count_attempt, identity_of

LIFETIME = timedelta(minutes=10)
DIGITS = 12
_GROUP = 4
_BETWEEN_GROUPS = re.compile(r"[\s-]+")
Purpose = OneTimeCode.Purpose

_LIVE_DIGEST = """
SELECT digest FROM users_onetimecode WHERE user_id = %s AND purpose = %s AND expires_at > clock_timestamp()
"""


def count_request(identity: str, *, user: User | None, caller: Caller) -> None:
    """Count that a code is asked for; ``user`` is whom the identity means, if anybody. Raises: TooManyAttempts."""
    if settings.THROTTLING:
        place = caller.known_place(user)
        count_attempt(*_allowances("reset", identity, place, caller))


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


def try_code(
    code: str, *, identity: str, user: User | None, caller: Caller, purpose: Purpose = Purpose.RESET
) -> tuple[Allowance, ...]:
    """Compare ``code`` with the user's, at the price of an attempt; None is whom nobody knows, at the same cost.

    Do not call it inside a transaction: a rollback would forget the attempt.

    Returns: what the attempt counts against. Raises: CodeInvalid, TooManyAttempts.
    """
    place, allowances = None, tuple[Allowance, ...]()
    if settings.THROTTLING:
        place, closed = caller.known_place(user), find_wait(RESET_CODES)
        if closed and place is None:
            raise closed
        allowances = _allowances("reset_try", identity, place, caller)
        count_attempt(*allowances)
    if not _is_code_of(user, code, purpose):
        count_refused(Reason.KNOWN_PLACE if place else Reason.WRONG_CODE)
        raise CodeInvalid
    return allowances


def _is_code_of(user: User | None, code: str, purpose: Purpose) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(_LIVE_DIGEST, (user.pk if user else "", purpose))
        row = cursor.fetchone()
    return bool(user and row and hmac.compare_digest(bytes(row[0]), _digest(user, code, purpose)))


def _allowances(name: str, identity: str, place: KnownPlace | None, caller: Caller) -> tuple[Allowance, ...]:
    address = Allowance("reset_address", caller.network)
    if place is None:
        return Allowance(name, identity_of(identity)), address
    # Others may be at the same address; a device is its user's own.
    return (place.allowance(f"{name}_known"), *([address] if place.is_network else []))


def use_up(user: User, code: str, *, purpose: Purpose = Purpose.RESET) -> None:
    """Delete the code. When two requests found it right at once, only one of them gets past this.

    Raises: CodeInvalid, when it is gone or another has taken its place.
    """
    codes = OneTimeCode.objects.filter(user=user, purpose=purpose, digest=_digest(user, code, purpose))
    if not codes.delete()[0]:
        raise CodeInvalid


def forget_code(user_id: str) -> None:
    """Delete the user's codes, whatever they are for."""
    OneTimeCode.objects.filter(user=user_id).delete()


def _random_code() -> str:
    # A code of digits only, or like 12345678901e2, could be taken for a number on its way.
    while not set(code := secrets.token_hex(DIGITS // 2)) & set("abcdf"):
        pass
    return code


def _digest(user: User, code: str, purpose: Purpose) -> bytes:
    # The key is not in the database, so a stolen database does not help to guess a code. The user and the
    # purpose are in the digest, so a code is worth nothing for another user or purpose.
    typed = _BETWEEN_GROUPS.sub("", code).lower()
    return salted_hmac("users.reset_codes", f"{user.pk}\0{purpose}\0{typed}", algorithm="sha256").digest()
