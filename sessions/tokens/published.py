"""What other services need to check our signatures: the public keys (RFC 7517), and statements that we sign."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

from sessions.tokens.jwt import ALGORITHM
from sessions.tokens.keys import KeyRing, key_ring

# A key says nothing about a session, so a cache may store it. But if a key is stolen and removed, a cache goes on
# telling it for this long.
KEYS_LIVE = timedelta(minutes=5)
INTROSPECTION = "token-introspection+jwt"  # `typ`: RFC 9701 §5


def is_issuer_url(issuer: str) -> bool:
    """Return whether other services can find us by ``issuer``: a URL without a query or a fragment (RFC 8414 §2)."""
    try:
        parts = urlsplit(issuer)
    except ValueError:
        return False
    is_bare = not parts.query and not parts.fragment and parts.username is None
    return parts.scheme in ("http", "https") and bool(parts.hostname) and is_bare


def public_keys() -> dict[str, Any]:
    """Return the JWK Set (RFC 7517 §5) of all keys that verify tokens: only their public parts."""
    return _public_keys(key_ring(settings.SIGNING_KEYS))


@lru_cache(maxsize=4)
def _public_keys(keys: KeyRing) -> dict[str, Any]:
    # These objects have no private part: `KeyRing.verifying` holds public keys only.
    made = [ECKey.import_key(key, {"kid": kid, "use": "sig", "alg": ALGORITHM}) for kid, key in keys.verifying.items()]
    return dict(KeySet(list(made)).as_dict(private=False))


def sign_introspection(told: Mapping[str, Any], *, audience: str, at: datetime) -> str:
    """Sign the answer to a token introspection (RFC 9701 §5). It can't pass for a token: its `typ` is another one.

    Args: audience: the id of the app that asked. at: the database's time.
    """
    keys = key_ring(settings.SIGNING_KEYS)
    header = {"alg": ALGORITHM, "kid": keys.signing_kid, "typ": INTROSPECTION}
    claims = {"iss": settings.TOKEN_ISSUER, "aud": audience, "iat": int(at.timestamp()), "token_introspection": told}
    return jwt.encode(header, claims, _signing_key(keys), [ALGORITHM])


@lru_cache(maxsize=4)
def _signing_key(keys: KeyRing) -> ECKey:
    return ECKey.import_key(keys.signing)
