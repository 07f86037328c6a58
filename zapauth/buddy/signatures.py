"""Signatures for apps with a shared secret. The app signs its requests. The server signs the answer to a registration.

A signature is the HMAC-SHA256 (RFC 2104), in hex, of the text that the Buddy clients use.
"""

import hashlib
import hmac

from users.clients import previous_secret_of, shared_secret_of
from users.models import App


def server_signature(secret: str, *, app_key: str) -> str:
    """Return the signature of the answer to `POST /devices`. The client checks it to authenticate the server."""
    return _sign(secret, f"{app_key}\n")


def request_signature(secret: str, *, method: str, app_id: str, path: str) -> str:
    """Return the signature that a client puts after its token. ``path`` begins with a slash and has no query."""
    return _sign(secret, f"{method}\n{app_id}\n{path}")


def is_signed(app: App, signature: str, *, method: str, path: str) -> bool:
    """Return whether the app's secret, or its previous one, makes that signature. The app must have a secret.

    Raises: users.sealing.CannotUnseal.
    """
    signed = {"method": method, "app_id": app.pk, "path": path}
    for find in (shared_secret_of, previous_secret_of):
        secret = find(app)
        if secret is not None and is_signature(signature, request_signature(secret, **signed)):
            return True
    return False


def is_signature(given: str, expected: str) -> bool:
    """Compare two signatures in constant time. Hex digits may be in either case."""
    return hmac.compare_digest(given.lower().encode(), expected.encode())


def _sign(secret: str, text: str) -> str:
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
