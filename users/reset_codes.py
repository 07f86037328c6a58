"""One-time codes sent by mail (OWASP Forgot Password Cheat Sheet; NIST SP 800-63B §4.2.1).

A code is valid for one user and one purpose. It has 48 random bits, so it can't be guessed. Wrong guesses
therefore don't delete it, and a stranger can't make a user's code invalid by guessing.
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
from users.errors import CodeInvalid, TooManyAttempts
from users.models import OneTimeCode, User
from users.record.events import Event
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
    """Count a request for a code. ``user`` is the user with that identity, or None. Raises: TooManyAttempts."""
    if settings.THROTTLING:
        place = caller.known_place(user)
        _count(_allowances("reset", identity, place, caller), user, caller)


def issue_code(user: User, *, purpose: Purpose = Purpose.RESET) -> str:
    """Make a new code and return it in the form that is mailed, `3f9a 1c07 b2e4`. It replaces the earlier one."""
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
    """Count an attempt and find the user among ``users`` to whom ``code`` was mailed.

    ``users`` is empty if nobody has that identity; the answer then takes the same time. Do not call this in a
    transaction: a rollback would also undo the count.

    Returns: the user, and the limits that the attempt was counted against. Raises: CodeInvalid, TooManyAttempts.
    """
    place, allowances, whose = None, tuple[Allowance, ...](), users[0] if users else None
    if settings.THROTTLING:
        place, closed = caller.known_place(whose), find_wait(RESET_CODES)
        if closed and place is None:
            raise closed
        allowances = _allowances("reset_try", identity, place, caller)
        _count(allowances, whose, caller)
    user = _find_by_code(users, code, purpose)
    if user is None:
        if purpose == Purpose.RESET:
            caller.record(Event.RESET_REFUSED, whose)
        count_refused(Reason.KNOWN_PLACE if place else Reason.WRONG_CODE)
        raise CodeInvalid
    serve(user.pk)
    return user, allowances


def _find_by_code(users: Sequence[User], code: str, purpose: Purpose) -> User | None:
    """Return the user among ``users`` to whom ``code`` was mailed, or None. It takes one statement for all users."""
    with connection.cursor() as cursor:
        cursor.execute(_LIVE_DIGESTS, ([user.pk for user in users], purpose))
        digests = {user_id: bytes(digest) for user_id, digest in cursor.fetchall()}
    for user in users:
        if user.pk in digests and hmac.compare_digest(digests[user.pk], _digest(user, code, purpose)):
            return user
    return None


def _count(allowances: tuple[Allowance, ...], user: User | None, caller: Caller) -> None:
    """Count an attempt. Raises: TooManyAttempts."""
    try:
        count_attempt(*allowances)
    except TooManyAttempts as error:
        caller.record_lock_out(error, user)
        raise


def _allowances(name: str, identity: str, place: KnownPlace | None, caller: Caller) -> tuple[Allowance, ...]:
    address = Allowance("reset_address", caller.network)
    if place is None:
        return Allowance(name, identity_of(identity)), address
    # Other people may share the network; only the user has the device.
    return (place.allowance(f"{name}_known"), *([address] if place.is_network else []))


def use_up(user: User, code: str, *, purpose: Purpose = Purpose.RESET) -> None:
    """Delete the code. If two requests use the same code, one succeeds.

    Raises: CodeInvalid, when the code is gone or was replaced.
    """
    codes = OneTimeCode.objects.filter(user=user, purpose=purpose, digest=_digest(user, code, purpose))
    if not codes.delete()[0]:
        raise CodeInvalid


def address_for(user: User, purpose: Purpose) -> str:
    """Return the email to which a code for ``purpose`` is mailed; empty if the user has none."""
    return (user.latest_email if purpose == Purpose.EMAIL else user.email) or ""


def forget_code(user_id: str) -> None:
    """Delete the user's codes for all purposes."""
    OneTimeCode.objects.filter(user=user_id).delete()


def forget_all_codes() -> None:
    """Delete the codes of all users."""
    OneTimeCode.objects.all().delete()


def _random_code() -> str:
    # Programs could read a code of digits only, or one like 12345678901e2, as a number. So it contains another letter.
    while not set(code := secrets.token_hex(DIGITS // 2)) & set("abcdf"):
        pass
    return code


def _digest(user: User, code: str, purpose: Purpose) -> bytes:
    # The digest is keyed with SECRET_KEY, so a stolen database does not help to guess a code. It includes the user,
    # the purpose and the email: a code is useless for another user or purpose, and after a change of the email.
    typed = _BETWEEN_GROUPS.sub("", code).lower()
    facts = f"{user.pk}\0{purpose}\0{address_for(user, purpose)}\0{typed}"
    return salted_hmac("users.reset_codes", facts, algorithm="sha256").digest()
