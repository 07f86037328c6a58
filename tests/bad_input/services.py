"""Every route for services with a good call. Add an entry here for a new route."""

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.bad_input.answers import SANE_ID
from tests.phones import Reply, ZapPhone
from tests.services.backends import FORM, Backend

JSON = "application/json"
WORDS = {
    "invalid_client": {401},
    "invalid_request": {400, 408},
    "unauthorized_client": {403},
    "not_found": {404},
    "method_not_allowed": {405},
    "server_error": {500},
    "temporarily_unavailable": {503},
}


@dataclass(frozen=True, eq=False)
class Route:
    """A route for services: its good call, and the facts that tests use.

    ``body`` makes the good body for a phone. ``kind`` is its content type. ``required`` are its fields without which
    the call is refused. ``access`` is the column of the app that the call needs. It is empty if the route is public.
    """

    name: str
    method: str
    path: str
    body: Callable[[ZapPhone], dict[str, Any]] | None = None
    kind: str = FORM
    required: tuple[str, ...] = ()
    access: str = ""
    within: str = ""  # a function that the route calls

    def __str__(self) -> str:
        return f"services, {self.name}"

    def content(self, body: dict[str, Any]) -> str:
        return urlencode(body) if self.kind == FORM else json.dumps(body)

    def send(self, backend: Backend, content: str | bytes | None = None, **headers: str | None) -> Reply:
        """Send the call as that backend."""
        kind = self.kind if content is not None else None
        return backend.call(self.method, self.path, content, **{"Content-Type": kind} | headers)


def _token(phone: ZapPhone) -> dict[str, Any]:
    return {"token": phone.access_token, "token_type_hint": "access_token"}


ROUTES = [
    Route("keys", "GET", "/.well-known/jwks.json", within="zapauth.services.metadata.public_keys"),
    Route("declared", "GET", "/.well-known/zapauth", within="zapauth.services.metadata.declare"),
    Route("metadata", "GET", "/.well-known/oauth-authorization-server", within="zapauth.services.metadata.describe"),
    Route(
        *("introspect", "POST", "/oauth/introspect", _token),
        required=("token",),
        access="token_access",
        within="zapauth.services.tokens.find_live_token",
    ),
    Route(
        *("revoke", "POST", "/oauth/revoke", _token),
        required=("token",),
        access="token_access",
        within="zapauth.services.tokens.revoke",
    ),
]
GUARDED = [route for route in ROUTES if route.access]
WITH_BODY = [route for route in ROUTES if route.body]
FORMS = [route for route in WITH_BODY if route.kind == FORM]


def each(routes: Iterable[Route]) -> pytest.MarkDecorator:
    """Run the test over these routes."""
    return pytest.mark.parametrize("route", list(routes), ids=str)


def service_error(reply: Reply) -> tuple[int, str]:
    """Return status and word of an error. Fails if it is incomplete (RFC 6749 §5.2)."""
    body = reply.json
    assert reply.headers["content-type"] == JSON, reply
    assert reply.headers["cache-control"] == "no-store", reply
    assert SANE_ID.fullmatch(reply.headers["x-request-id"]), reply
    assert body.keys() == {"error", "error_description"}, reply
    assert reply.status in WORDS[body["error"]], reply
    # The characters that RFC 6749 §5.2 allows.
    assert re.fullmatch(r"[\x20-\x21\x23-\x5b\x5d-\x7e]+", body["error_description"]), reply
    assert reply.headers.get("www-authenticate", "").startswith("Basic ") == (reply.status == 401), reply
    assert ("retry-after" in reply.headers) == (reply.status == 503), reply
    assert ("allow" in reply.headers) == (reply.status == 405), reply
    return reply.status, body["error"]
