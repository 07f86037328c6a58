"""What this service promises, for programs: `/.well-known/zapauth`. The names are on the wire: add, never rename.

The canary measures the bound (`zapauth.canary`).
"""

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from sessions.tokens.published import is_issuer_url
from zapauth.canary import BOUND, EVENT_AIM


def declare() -> dict[str, Any]:
    """Return the issuer, the dialects, the bounds, and where everything else is."""
    return describe(settings.TOKEN_ISSUER, root=_root(), without_database=settings.GATE_WITHOUT_DATABASE)


def describe(issuer: str, *, root: str, without_database: str) -> dict[str, Any]:
    """Return what `declare` does. Our routes are below ``root``. Empty: the links are paths on this host."""
    return {
        "issuer": issuer,
        "dialects": [{"name": "zap", "url": f"{root}/v1/"}, {"name": "buddy", "url": f"{root}/"}],
        # In seconds. It counts from the answer to a logout, and applies to each request that begins later: it is
        # refused by every worker of every server.
        "revocation_bound": int(BOUND),
        # "accept": while the database is away, the gate does not keep the bound. It says so in each such answer.
        "gate_without_database": without_database,
        # In seconds from the end of a session to its event. It is an aim: a network may take longer.
        "event_delivery_aim": EVENT_AIM,
        "events_url": f"{root}/events",
        "gate_url": f"{root}/verify",
        "jwks_uri": f"{root}/.well-known/jwks.json",
        "metadata_url": f"{root}/.well-known/oauth-authorization-server",
        "documentation_url": f"{root}/docs",
        "schema_url": f"{root}/schema",
    }


def _root() -> str:
    if settings.PUBLIC_URL:
        return str(settings.PUBLIC_URL)
    parts = urlsplit(settings.TOKEN_ISSUER) if is_issuer_url(settings.TOKEN_ISSUER) else None
    return f"{parts.scheme}://{parts.netloc}" if parts else ""
