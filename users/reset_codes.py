"""One-time codes for a forgotten password (OWASP Forgot Password Cheat Sheet; NIST SP 800-63B §4.2.1)."""

import hmac
import secrets
from datetime import timedelta

from django.db import connection, transaction
from django.utils import timezone
from django.utils.crypto import salted_hmac

from users.errors import CodeInvalid
from users.models import ResetCode, User
from users.throttling import Allowance, count_attempt, identity_of, network_of

LIFETIME = timedelta(minutes=15)
TRIES = 5
DIGITS = 8

_SPEND_TRY = """
UPDATE users_resetcode SET tries = tries + 1
 WHERE user_id = %s AND tries < %s AND expires_at > %s
RETURNING digest
"""


def count_request(identity: str, *, ip: str | None) -> None:
    """Before a code is asked for, whoever that may be. Raises: TooManyAttempts."""
    count_attempt(Allowance("reset", identity_of(identity)), Allowance("reset_address", network_of(ip)))


def issue_code(user: User) -> str:
    """A new code for ``user``, of 8 digits; the one before it is dead."""
    # Never with a zero in front, which is lost on whoever takes it for a number.
    code = str(10 ** (DIGITS - 1) + secrets.randbelow(9 * 10 ** (DIGITS - 1)))
    now = timezone.now()
    facts = {"digest": _digest(user, code), "tries": 0, "created_at": now, "expires_at": now + LIFETIME}
    ResetCode.objects.update_or_create(user=user, defaults=facts)
    return code


def check_code(user: User | None, code: str, *, identity: str, ip: str | None) -> None:
    """Compare ``code`` with the user's, at the price of one of its tries; None for an unknown identity.

    Raises: CodeInvalid, TooManyAttempts. Not to be called inside of a transaction, for the price is
    to be paid even then.
    """
    with transaction.atomic(durable=True):
        # Both in one commit, so that known and unknown take one each: it is the slow part.
        count_attempt(Allowance("reset_try", identity_of(identity)), Allowance("reset_address", network_of(ip)))
        with connection.cursor() as cursor:
            cursor.execute(_SPEND_TRY, (user.pk if user else "", TRIES, timezone.now()))
            row = cursor.fetchone()
    if user is None or row is None or not hmac.compare_digest(bytes(row[0]), _digest(user, code)):
        raise CodeInvalid


def use_up(user: User, code: str) -> None:
    """Delete the user's code: of two at once that both found it right, one.

    Raises: CodeInvalid, when it is gone or another has taken its place.
    """
    if not ResetCode.objects.filter(user=user, digest=_digest(user, code)).delete()[0]:
        raise CodeInvalid


def forget_code(user_id: str) -> None:
    """No code of that user opens anything any more."""
    ResetCode.objects.filter(user=user_id).delete()


def forget_all_codes() -> None:
    """No code of anybody opens anything any more."""
    ResetCode.objects.all().delete()


def _digest(user: User, code: str) -> bytes:
    # Eight digits are guessed in no time from a plain hash: a key that the database never holds
    # stands before that. With the user in it, a code is worth nothing for another.
    return salted_hmac("users.reset_codes", f"{user.pk}\0{code}", algorithm="sha256").digest()
