"""Switch a user's second factor on and off."""

import secrets
from base64 import b32encode
from datetime import datetime
from typing import NamedTuple
from urllib.parse import quote, urlencode

from django.conf import settings
from django.db import connection

from users.clock import database_now
from users.errors import SecondFactorEnabled, SecondFactorNotConfirmed
from users.models import SecondFactor, User
from users.sealing import Purpose, seal
from users.second_factor.codes import DIGITS, PERIOD, is_totp_code, use_totp_code
from users.second_factor.recovery import forget_recovery_codes, make_recovery_codes
from users.transactions import in_transaction

_SECRET_BYTES = 20  # RFC 4226 §4 recommends 160 bits
_LABEL_LENGTH = 64  # in characters; a QR code can't hold every name


class NewSecret(NamedTuple):
    """A secret that the user enters into their app: as text in base 32, or as a URI in a QR code."""

    base32: str
    uri: str


def has_factor(user: User) -> bool:
    """Return whether a log-in of ``user`` needs a second factor."""
    return user.second_factor_since is not None


@in_transaction
def begin(user: User) -> NewSecret:
    """Make a secret for ``user``. It counts once `confirm` has received a code that was made from it.

    It replaces an earlier secret that does not count yet.

    Raises: SecondFactorEnabled, when the user's secret counts already.
    """
    if _lock(user) is not None:
        raise SecondFactorEnabled
    base32 = b32encode(secrets.token_bytes(_SECRET_BYTES)).decode()
    row = SecondFactor(user=user, sealed_secret=seal(base32, Purpose.SECOND_FACTOR), created_at=database_now())
    SecondFactor.objects.bulk_create(
        [row],
        update_conflicts=True,
        unique_fields=["user"],
        update_fields=["sealed_secret", "last_step", "created_at"],
    )
    return NewSecret(base32, _uri(user, base32))


@in_transaction
def confirm(user: User, code: str) -> list[str]:
    """Make the secret of ``user`` count, if ``code`` was made from it. The code is used up.

    Returns: ten recovery codes. They can't be read again. Raises: SecondFactorEnabled, SecondFactorNotConfirmed.
    """
    if _lock(user) is not None:
        raise SecondFactorEnabled
    if not (is_totp_code(code) and use_totp_code(user, code)):
        raise SecondFactorNotConfirmed
    _set_since(user, database_now())
    return make_recovery_codes(user)


@in_transaction
def disable(user: User) -> bool:
    """Switch the second factor of ``user`` off, and forget the secret and the recovery codes.

    Returns: whether it was on.
    """
    was_enabled = _lock(user) is not None
    SecondFactor.objects.filter(user=user).delete()
    forget_recovery_codes(user)
    if was_enabled:
        _set_since(user, None)
    return was_enabled


def _lock(user: User) -> datetime | None:
    """Lock the user's row, so that only one request at a time changes their factor. Return since when it counts."""
    locked = User.objects.filter(pk=user.pk).select_for_update(no_key=True)
    return locked.values_list("second_factor_since", flat=True).get()


def _set_since(user: User, since: datetime | None) -> None:
    # The trigger `keep_second_factor` allows this change only between the two settings.
    _allow_change("on")
    User.objects.filter(pk=user.pk).update(second_factor_since=since)
    _allow_change("off")
    user.second_factor_since = since


def _allow_change(value: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('users.second_factor', %s, true)", [value])


def _uri(user: User, base32: str) -> str:
    """Return the URI that authenticator apps read from a QR code (Google Authenticator's "Key Uri Format")."""
    issuer = settings.SERVICE_NAME[:_LABEL_LENGTH].replace(":", "")
    label = quote(f"{issuer}:{user.username[:_LABEL_LENGTH]}", safe=":@")
    facts = {"secret": base32, "issuer": issuer, "algorithm": "SHA1", "digits": DIGITS, "period": PERIOD}
    return f"otpauth://totp/{label}?{urlencode(facts, quote_via=quote)}"
