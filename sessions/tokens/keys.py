"""The keys that sign and verify tokens: ES256 (RFC 7518 §3.4), named by `kid` (RFC 7515 §4.1.4).

`SIGNING_KEYS` is PEM text: the first key signs, all of them verify. To rotate, put a new
private key in front and keep the old one (its public part is enough) until its tokens have
expired: nobody is logged out.
"""

import json
import re
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from jwt.algorithms import ECAlgorithm

SigningKey = EllipticCurvePrivateKey | EllipticCurvePublicKey
_PEM_BLOCK = re.compile(r"-----BEGIN ([A-Z ]+)-----.+?-----END \1-----", re.DOTALL)


class BadSigningKeys(ValueError):
    """`SIGNING_KEYS` can't be used. The text says why, and never contains a part of a key."""


@dataclass(frozen=True, eq=False)  # eq=False: compared by identity, so that it can be the key of a cache
class KeyRing:
    """The key that signs, with its `kid`, and the public keys that verify, by `kid`."""

    signing: EllipticCurvePrivateKey
    signing_kid: str
    verifying: dict[str, EllipticCurvePublicKey]


@lru_cache(maxsize=4)
def key_ring(pem: str) -> KeyRing:
    r"""Parse PEM text, with real newlines or with ``\n`` for each. Raises: BadSigningKeys."""
    keys = keys_in(pem)
    if not isinstance(keys[0], EllipticCurvePrivateKey):
        raise BadSigningKeys("the first key is the one that signs, so it must be a private key")
    public = [public_part(key) for key in keys]
    return KeyRing(keys[0], thumbprint(public[0]), {thumbprint(key): key for key in public})


def keys_in(pem: str) -> list[SigningKey]:
    """Return the keys in ``pem``, in their order, at least one. Raises: BadSigningKeys."""
    keys: list[SigningKey] = []
    for number, block in enumerate(_PEM_BLOCK.finditer(pem.replace("\\n", "\n")), start=1):
        text = block[0].encode()
        try:
            key = load_pem_private_key(text, None) if "PRIVATE" in block[1] else load_pem_public_key(text)
        except (ValueError, TypeError) as error:
            raise BadSigningKeys(f"key {number} can't be read (is it encrypted?)") from error
        if not isinstance(key, SigningKey) or not isinstance(key.curve, SECP256R1):
            raise BadSigningKeys(f"key {number} is not on the curve P-256, which ES256 needs")
        keys.append(key)
    if not keys:
        raise BadSigningKeys("it holds no PEM key")
    return keys


def public_part(key: SigningKey) -> EllipticCurvePublicKey:
    return key.public_key() if isinstance(key, EllipticCurvePrivateKey) else key


def thumbprint(key: EllipticCurvePublicKey) -> str:
    """Return the name of a key: its JWK thumbprint (RFC 7638), in base64url without padding."""
    jwk = ECAlgorithm.to_jwk(key, as_dict=True)
    required = json.dumps({name: jwk[name] for name in ("crv", "kty", "x", "y")}, separators=(",", ":"))
    return urlsafe_b64encode(sha256(required.encode()).digest()).rstrip(b"=").decode()


def new_private_key_pem() -> str:
    """Make a new P-256 private key, in PKCS #8, unencrypted."""
    key = generate_private_key(SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
