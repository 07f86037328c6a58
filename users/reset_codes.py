"""One-time codes sent by mail (OWASP Forgot Password Cheat Sheet; NIST SP 800-63B §4.2.1).

A code serves one purpose of one user. It has 48 random bits: wrong guesses can't find it, so they need not
kill it either, and a stranger can't take a user's code away by guessing.
"""

import hmac
import re
import secrets
from collections.abc import Sequence
from datetime import timedelta

from django.conf import settings
from django.db import connection
from django.utils.crypto import salted_hmac

from users.callers import Caller, KnownPlace
from users.clock import database_now
from users.database_use import serve
from users.errors import CodeInvalid
from users.models import OneTimeCode, User
from users.refused_logins import RESET_CODES, Reason, count_refused, find_wait
from users.throttling import Allowance, count_attempt, identity_of

LIFETIME = timedelta(minutes=10)
DIGITS = 12
_GROUP = 4
_BETWEEN_GROUPS = re.compile(r"[\s-]+")
Purpose = OneTimeCode.Purpose

_LIVE_DIGESTS = """
SELECT user_id, digest FROM users_onetimecode
 WHERE user_id = ANY(%s) AND purpose = %s AND expires_at > clock_timestamp()
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
    code: str, *, identity: str, users: Sequence[User], caller: Caller, purpose: Purpose = Purpose.RESET
) -> tuple[User, tuple[Allowance, ...]]:
    """Find the one of ``users`` that ``code`` was mailed to, at the price of an attempt.

    Nobody in ``users`` stands for an identity that nobody has, and costs the same. Do not call this inside a
    transaction: a rollback would forget the attempt.

    Returns: the user, and what the attempt counts against. Raises: CodeInvalid, TooManyAttempts.
    """
    place, allowances = None, tuple[Allowance, ...]()
    if settings.THROTTLING:
        place, closed = caller.known_place(users[0] if users else None), find_wait(RESET_CODES)
        if closed and place is None:
            raise closed
        allowances = _allowances("reset_try", identity, place, caller)
        count_attempt(*allowances)
    user = _find_by_code(users, code, purpose)
    if user is None:
        count_refused(Reason.KNOWN_PLACE if place else Reason.WRONG_CODE)
        raise CodeInvalid
    serve(user.pk)
    return user, allowances


def _find_by_code(users: Sequence[User], code: str, purpose: Purpose) -> User | None:
    """The one of ``users`` that ``code`` was mailed to. One statement, however many they are."""
    with connection.cursor() as cursor:
        cursor.execute(_LIVE_DIGESTS, ([user.pk for user in users], purpose))
        digests = {user_id: bytes(digest) for user_id, digest in cursor.fetchall()}
    for user in users:
        if user.pk in digests and hmac.compare_digest(digests[user.pk], _digest(user, code, purpose)):
            return user
    return None


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
