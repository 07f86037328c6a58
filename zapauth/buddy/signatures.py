"""Signed apps: an app with a shared secret signs its requests, and the server its registration.

HMAC-SHA256 (RFC 2104) in hex, over the strings of the Buddy clients.
"""

import hashlib
import hmac


def server_signature(secret: str, *, app_key: str) -> str:
    """What `POST /devices` answers, so that the client knows the server."""
    return _sign(secret, f"{app_key}\n")


def request_signature(secret: str, *, method: str, app_id: str, path: str) -> str:
    """What a client puts behind its token; ``path`` has its leading slash and no query."""
    return _sign(secret, f"{method}\n{app_id}\n{path}")


def is_signature(given: str, expected: str) -> bool:
    """In constant time; hex digits count in either case."""
    return hmac.compare_digest(given.lower().encode(), expected.encode())


def _sign(secret: str, text: str) -> str:
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
