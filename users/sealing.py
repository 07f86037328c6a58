"""Encrypt what has to be read again: app secrets, device tokens, secrets of second factors, and jobs that wait.

The keys are derived from SECRET_KEY, which is not in the database. A dump of the database alone reveals nothing.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from enum import StrEnum
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings


class Purpose(StrEnum):
    """The kind of secret. Each kind has its own key, derived with this value (RFC 5869 §3.2)."""

    APP_SECRET = "app shared secret"
    DEVICE_TOKEN = "device token"
    SECOND_FACTOR = "second factor"
    JOB = "job"


class CannotUnseal(Exception):
    """No key in the settings decrypts this value."""

    def __init__(self) -> None:
        super().__init__("It was encrypted with another key: neither SECRET_KEY nor SECRET_KEY_FALLBACKS decrypts it.")


def seal(text: str, purpose: Purpose) -> bytes:
    """Encrypt ``text`` with SECRET_KEY. Returns a Fernet token in binary, not in base64."""
    return seal_bytes(text.encode(), purpose)


def seal_bytes(content: bytes, purpose: Purpose) -> bytes:
    """Encrypt ``content`` like `seal`."""
    return urlsafe_b64decode(_box(purpose).encrypt(content))


def unseal(sealed: bytes | memoryview, purpose: Purpose) -> str:
    """Decrypt a value that `seal` returned for the same purpose, with SECRET_KEY or one of SECRET_KEY_FALLBACKS.

    Raises: CannotUnseal.
    """
    return unseal_bytes(sealed, purpose).decode()


def unseal_bytes(sealed: bytes | memoryview, purpose: Purpose) -> bytes:
    """Decrypt a value that `seal_bytes` returned, like `unseal`. Raises: CannotUnseal."""
    try:
        return _box(purpose).decrypt(urlsafe_b64encode(sealed))
    except InvalidToken:
        raise CannotUnseal from None


def _box(purpose: Purpose) -> MultiFernet:
    return MultiFernet([_fernet(key, purpose) for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)])


@lru_cache(maxsize=16)
def _fernet(secret_key: str, purpose: Purpose) -> Fernet:
    info = f"zapauth {purpose}".encode()
    derived = HKDF(hashes.SHA256(), 32, salt=None, info=info).derive(secret_key.encode())
    return Fernet(urlsafe_b64encode(derived))
