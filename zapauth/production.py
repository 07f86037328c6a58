"""Checks of a production installation, which is one with DATABASE_URL. The server does not start while one fails.

The tag of these checks is "serving". `manage.py check` and the start of the server run them. The operators' commands
don't, because an incident must not wait for a mail server or for a new key.
"""

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from sessions.tokens.keys import BadSigningKeys, SigningKey, keys_in, public_part, thumbprint

SERVING = "serving"

FEWEST_CHARACTERS = 32
FEWEST_DIFFERENT = 10
# Words that don't make a key harder to guess. A random key hardly ever contains one of them.
_PLACEHOLDERS = re.compile(
    r"django[-_]insecure|change[-_ ]?(?:me|this)|replace[-_ ]?(?:me|this)|default|development|example|insecure"
    r"|password|placeholder|production|secret",
    re.IGNORECASE,
)

# Thumbprints (RFC 7638) of keys whose private part is public. Add every key in this repository.
PUBLISHED_KEYS = {
    "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U": "RFC 7515 A.3",
    "cn-I_WNMClehiVp51i_0VpOENW1upEerA8sEam5hn-s": "RFC 7517 A.2",
    "DOvxvJiAdIqVWIkFt5hDtCunXLF0BV4-JGv4f-ALSm0": "RFC 6979 A.2.5",
    "19J8y7Zprt2-QKLjF2I5pVk0OELX6cY2AfaAv1LC_w8": "the example of jwt.io",
    "3XqHrr6_xhD8tmbJaQKyGGU6bXQXJ_USxYhWllzaPI0": "the tests of PyJWT",
    "2U1MPNC1iWSC_8uvLByexKFXziTWPQCeeUbuuvzN4JQ": "the tests of golang-jwt",
}
# A random private key of P-256 has fewer bits only once in 2^56.
FEWEST_BITS = 200
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # the curve's order: SP 800-186 §3.2.1.3

_NEW_SECRET_KEY = "Make one with: openssl rand -base64 48"
_NEW_SIGNING_KEY = "Make one with: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256"


def weakness_of_secret(text: str) -> str | None:
    """Return why somebody could guess that SECRET_KEY, or None."""
    if text.startswith("django-insecure-"):
        return "`startproject` made it for development"
    rest = _PLACEHOLDERS.sub("", text)
    if len(rest) < FEWEST_CHARACTERS:
        well_known = ", without the well-known words in it" if rest != text else ""
        return f"it has fewer than {FEWEST_CHARACTERS} characters{well_known}"
    steps = {ord(after) - ord(before) for before, after in pairwise(rest)}
    if min(len(set(rest)), len(steps)) < FEWEST_DIFFERENT:
        return "its characters repeat or follow one another"
    return None


def weakness_of_key(key: SigningKey) -> str | None:
    """Return why others could have the private part of that signing key, or None."""
    if found := PUBLISHED_KEYS.get(thumbprint(public_part(key))):
        return f"it is published: {found}"
    if isinstance(key, EllipticCurvePrivateKey):
        number = key.private_numbers().private_value
        if min(number, _ORDER - number).bit_length() < FEWEST_BITS:
            return "its private number is too small"
    return None


@register(SERVING)
def check_secret_key(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    weakness = weakness_of_secret(settings.SECRET_KEY)
    if settings.IS_LOCAL or weakness is None:
        return []
    return [
        Error(
            f"SECRET_KEY can be guessed: {weakness}. It signs the admin's cookie and encrypts secrets.",
            hint=f"{_NEW_SECRET_KEY}. docs/settings.md says what a new one changes.",
            id="zapauth.E001",
        )
    ]


@register(SERVING)
def check_secret_key_fallbacks(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    if settings.IS_LOCAL:
        return []
    return [
        Error(
            f"SECRET_KEY_FALLBACKS: key {number} can be guessed: {weakness}. The service accepts what it signs.",
            hint="Take it out. docs/settings.md says what stops working then.",
            id="zapauth.E002",
        )
        for number, text in enumerate(settings.SECRET_KEY_FALLBACKS, start=1)
        if (weakness := weakness_of_secret(text))
    ]


@register(SERVING)
def check_signing_keys_are_secret(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Check that nobody else has a signing key. `sessions.checks` reports unreadable keys and keys of other curves."""
    try:
        keys = [] if settings.IS_LOCAL else keys_in(settings.SIGNING_KEYS)
    except BadSigningKeys:
        return []
    return [
        Error(
            f"SIGNING_KEYS: key {number} is not secret: {weakness}. Others can make tokens that it verifies.",
            hint=f"{_NEW_SIGNING_KEY}. Take the weak one out: its tokens are refused then.",
            id="zapauth.E003",
        )
        for number, key in enumerate(keys, start=1)
        if (weakness := weakness_of_key(key))
    ]


@register(SERVING)
def check_mail_is_chosen(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    if settings.IS_LOCAL or settings.EMAIL_URL:
        return []
    return [
        Error(
            "EMAIL_URL is not set: reset codes would go to the log, where others could read and use them.",
            hint="EMAIL_URL=smtp+tls://user:password@smtp.example.org:587. "
            "To write mails to the log on purpose: EMAIL_URL=consolemail://",
            id="zapauth.E004",
        )
    ]


@register(SERVING)
def check_allowed_hosts(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    if settings.IS_LOCAL:
        return []
    if not settings.ALLOWED_HOSTS:
        problem = "ALLOWED_HOSTS is not set: every request would get a 400."
    elif wildcard := next((name for name in settings.ALLOWED_HOSTS if "*" in name), None):
        problem = f"ALLOWED_HOSTS has {wildcard!r}: a client could choose the host name that the server uses."
    else:
        return []
    hint = "List the hosts: ALLOWED_HOSTS=auth.example.org. For all subdomains, write .example.org"
    return [Error(problem, hint=hint, id="zapauth.E005")]
