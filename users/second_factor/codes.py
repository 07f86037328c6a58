"""Check the codes of a second factor. Each code works once, also if two requests send it at the same moment."""

import logging
import re
from base64 import b32decode
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from django_otp.oath import TOTP

from users.models import User
from users.sealing import CannotUnseal, Purpose, seal, unseal
from users.second_factor.recovery import use_recovery_code
from users.statement import Statement

logger = logging.getLogger("zapauth.second_factor")

PERIOD = 30  # seconds; one time step
DIGITS = 6
TOLERANCE = 1  # time steps, before and after the present one
_BETWEEN = re.compile(r"[\s-]+")
_TOTP_CODE = re.compile(f"[0-9]{{{DIGITS}}}")

_FIND = Statement("""
SELECT sealed_secret, last_step, created_at, extract(epoch FROM clock_timestamp())::float8
  FROM users_secondfactor WHERE user_id = %(user)s
""")
# Compare and set: of two requests with the same code, the second one finds its step used. The secret is encrypted
# again, so that it uses a new SECRET_KEY.
_USE = Statement("""
   UPDATE users_secondfactor SET last_step = %(step)s::bigint, sealed_secret = %(sealed)s::bytea
    WHERE user_id = %(user)s AND created_at = %(created_at)s::timestamptz AND last_step < %(step)s::bigint
RETURNING user_id
""")


class Kind(StrEnum):
    """What a user has shown as their second factor."""

    TOTP = "totp"
    RECOVERY_CODE = "recovery_code"
    EARLIER = "earlier"  # at the log-in of a session that goes on under a new id


class _Stored(NamedTuple):
    """A stored secret, and the database's time in seconds since 1970."""

    sealed_secret: bytes
    last_step: int
    created_at: datetime
    now: float


def use_code(user: User, code: str) -> Kind | None:
    """Use up a code of the user's app or a recovery code. Return its kind, or None if the code is not valid.

    Do not call it in a transaction that may be rolled back: the code would work again. The caller counts attempts.
    """
    if is_totp_code(code):
        return Kind.TOTP if use_totp_code(user, code) else None
    return Kind.RECOVERY_CODE if use_recovery_code(user, code) else None


def is_totp_code(typed: str) -> bool:
    """Return whether the text has the form of a code of the app: six digits, in groups or not."""
    return _TOTP_CODE.fullmatch(_BETWEEN.sub("", typed)) is not None


def use_totp_code(user: User, typed: str) -> bool:
    """Use up a six-digit code of the user's app, whether or not their secret counts yet.

    A code is valid from one step before its time until one step after it (RFC 6238 §5.2). A secret that no key can
    decrypt is logged as an error, and no code fits it.
    """
    stored = _find(user)
    if stored is None:
        return False
    try:
        base32 = unseal(stored.sealed_secret, Purpose.SECOND_FACTOR)
    except CannotUnseal as error:
        logger.error("The second factor of user %s can't be checked. %s", user.pk, error)
        return False
    step = _find_step(base32, _BETWEEN.sub("", typed), stored)
    if step is None:
        return False
    sealed = seal(base32, Purpose.SECOND_FACTOR)
    return bool(_USE.fetch_all(user=user.pk, step=step, sealed=sealed, created_at=stored.created_at))


def _find(user: User) -> _Stored | None:
    row = _FIND.look_up(user=user.pk)
    return _Stored(*row) if row else None


def _find_step(base32: str, code: str, stored: _Stored) -> int | None:
    """Return the time step that ``code`` is of, or None if it is of none that is valid and unused."""
    totp = TOTP(b32decode(base32), step=PERIOD, digits=DIGITS)
    totp.time = stored.now
    is_right = totp.verify(int(code), tolerance=TOLERANCE, min_t=stored.last_step + 1)
    return totp.t() if is_right else None
