"""Where other services find our keys and routes (RFC 8414, RFC 7517). These answers are public."""

from typing import Any
from urllib.parse import unquote, urlsplit

from django.conf import settings
from django.http import Http404, HttpResponse
from rest_framework.request import Request

from sessions.tokens.jwt import ALGORITHM
from sessions.tokens.published import KEYS_LIVE, is_issuer_url, public_keys
from zapauth.services import answers
from zapauth.services.declared import declare
from zapauth.services.viewsets import ServiceViewSet

CACHE_KEYS = f"public, max-age={int(KEYS_LIVE.total_seconds())}"
_HEADERS = {"Access-Control-Allow-Origin": "*"}
_AUTH_METHODS = ["client_secret_basic", "client_secret_post"]


class MetadataViewSet(ServiceViewSet):
    authentication_classes: Any = []
    permission_classes: Any = []

    def keys(self, request: Request) -> HttpResponse:
        return answers.answer(public_keys(), headers=_HEADERS | {"Cache-Control": CACHE_KEYS})

    def declared(self, request: Request) -> HttpResponse:
        return answers.answer(declare(), headers=_HEADERS)

    def server(self, request: Request, path: str = "") -> HttpResponse:
        issuer = settings.TOKEN_ISSUER
        if not is_issuer_url(issuer) or unquote(urlsplit(issuer).path).strip("/") != path.strip("/"):
            raise Http404
        parts = urlsplit(issuer)
        # Without PUBLIC_URL our routes are on the issuer's host.
        root = settings.PUBLIC_URL or f"{parts.scheme}://{parts.netloc}"
        return answers.answer(describe(issuer, root=root), headers=_HEADERS)


def describe(issuer: str, *, root: str) -> dict[str, Any]:
    """Return the metadata (RFC 8414 §2). Our routes are below ``root``."""
    return {
        "issuer": issuer,
        "jwks_uri": f"{root}/.well-known/jwks.json",
        # Required, although no log-in goes through an authorization endpoint here. Left out, `grant_types_supported`
        # would mean two grants that need one.
        "response_types_supported": [],
        "grant_types_supported": [],
        "introspection_endpoint": f"{root}/oauth/introspect",
        "introspection_endpoint_auth_methods_supported": _AUTH_METHODS,
        "introspection_signing_alg_values_supported": [ALGORITHM],
        "revocation_endpoint": f"{root}/oauth/revoke",
        "revocation_endpoint_auth_methods_supported": _AUTH_METHODS,
    }
