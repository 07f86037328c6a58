"""Signed texts that are good for a while, measured by the database's clock.

Django's `max_age` compares the clocks of two hosts: the one that signs and the one that reads.
"""

from datetime import timedelta
from typing import Any

from django.core import signing

from users.clock import database_now


def sign(facts: dict[str, Any], *, salt: str) -> str:
    """Return ``facts``, values of JSON, as a signed text with the time of the database. Everybody can read it."""
    return signing.dumps({"at": database_now().timestamp(), "facts": facts}, salt=salt, compress=True)


def read_signed(text: str, *, salt: str, good_for: timedelta) -> dict[str, Any]:
    """Return what `sign` has signed. Raises: BadSignature, if it is not signed by us or older than ``good_for``."""
    signed = signing.loads(text, salt=salt)
    facts: dict[str, Any] = signed["facts"]
    if database_now().timestamp() - signed["at"] > good_for.total_seconds():
        raise signing.SignatureExpired
    return facts
