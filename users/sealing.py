"""Encrypts secrets that have to be used again, under keys that the database does not hold.

The keys are derived from SECRET_KEY. A dump of the database alone opens nothing.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from enum import StrEnum
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings


class Purpose(StrEnum):
    """What a secret is for. Each purpose has its own key (RFC 5869 §3.2), which is derived from this value."""

    APP_SECRET = "app shared secret"
    DEVICE_TOKEN = "device token"


class CannotUnseal(Exception):
    """A sealed value that no key of the settings opens."""

    def __init__(self) -> None:
        super().__init__("Sealed under another key: neither SECRET_KEY nor SECRET_KEY_FALLBACKS opens it.")


def seal(text: str, purpose: Purpose) -> bytes:
    """Encrypt ``text`` under SECRET_KEY: a Fernet token, without its base64."""
    return urlsafe_b64decode(_box(purpose).encrypt(text.encode()))


def unseal(sealed: bytes | memoryview, purpose: Purpose) -> str:
    """Decrypt what `seal` returned for the same purpose, under SECRET_KEY or one of SECRET_KEY_FALLBACKS.

    Raises: CannotUnseal.
    """
    try:
        return _box(purpose).decrypt(urlsafe_b64encode(sealed)).decode()
    except InvalidToken:
        raise CannotUnseal from None


def _box(purpose: Purpose) -> MultiFernet:
    return MultiFernet([_fernet(key, purpose) for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)])


@lru_cache(maxsize=16)
def _fernet(secret_key: str, purpose: Purpose) -> Fernet:
    info = f"zapauth {purpose}".encode()
    derived = HKDF(hashes.SHA256(), 32, salt=None, info=info).derive(secret_key.encode())
    return Fernet(urlsafe_b64encode(derived))
