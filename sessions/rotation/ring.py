"""The text of `SIGNING_KEYS` in each step of a rotation. The first key signs, and all of them verify.

The steps: add a new key behind the first one; put it in front, so that it signs; drop the old one. A key behind the
first one is new if it has its private part. When a key no longer signs, only its public part is kept, which is enough
to verify.
"""

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from sessions.tokens.keys import SigningKey, keys_in, new_private_key_pem, public_part, thumbprint


def kids_in(pem: str) -> list[str]:
    """Return the names of the keys, in their order. Raises: BadSigningKeys."""
    return [name_of(key) for key in keys_in(pem)]


def kids_that_can_sign(pem: str) -> list[str]:
    """Return the names of the keys that have a private part. Raises: BadSigningKeys."""
    return [name_of(key) for key in keys_in(pem) if isinstance(key, EllipticCurvePrivateKey)]


def with_new_key(pem: str) -> str:
    """Add a new private key behind the others. Raises: BadSigningKeys."""
    return _text(keys_in(pem)) + new_private_key_pem()


def with_in_front(pem: str, kid: str) -> str:
    """Put that key in front. The others keep their public parts only. Raises: BadSigningKeys."""
    keys = keys_in(pem)
    (first,) = (key for key in keys if name_of(key) == kid)
    return _text([first, *(public_part(key) for key in keys if name_of(key) != kid)])


def without(pem: str, kids: set[str]) -> str:
    """Leave those keys out. Raises: BadSigningKeys."""
    return _text([key for key in keys_in(pem) if name_of(key) not in kids])


def in_one_line(pem: str) -> str:
    r"""Return the text as the value of an environment variable, with ``\n`` for each newline."""
    return pem.strip().replace("\n", "\\n") + "\\n"


def name_of(key: SigningKey) -> str:
    return thumbprint(public_part(key))


def _text(keys: list[SigningKey]) -> str:
    return "".join(_pem(key) for key in keys)


def _pem(key: SigningKey) -> str:
    if isinstance(key, EllipticCurvePrivateKey):
        return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
