"""The operations for tokens: keys, metadata, introspection, revocation."""

from typing import Any

from django.http import Http404

from zapauth.schema.operations import OBJECT_ID, TOKEN, Operation
from zapauth.services import declared, metadata
from zapauth.services.errors import TwoCredentials
from zapauth.services.forms import RepeatedParameter, TokenForm
from zapauth.services.tokens import ACTIVE, REFRESH_TOKEN, SIGNED
from zapauth.shapes import TEXT, Schema, closed, constant, list_of

TOKENS = "Services: tokens"

_URL: Schema = {"type": "string", "format": "uri"}
_BASE64URL: Schema = {"type": "string", "pattern": "^[A-Za-z0-9_-]{43}$"}
_KEY = closed(
    {
        "kty": constant("EC"),
        "crv": constant("P-256"),
        "x": _BASE64URL,
        "y": _BASE64URL,
        "kid": _BASE64URL,
        "use": constant("sig"),
        "alg": constant("ES256"),
    }
)
_EXAMPLE_KEY = {
    "kty": "EC",
    "crv": "P-256",
    "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    "kid": "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U",
    "use": "sig",
    "alg": "ES256",
}
_EXAMPLE_SERVER = metadata.describe("https://auth.example.org", root="https://auth.example.org")
_LINK: Schema = {"type": "string", "format": "uri-reference"}
_DECLARED: dict[str, Schema] = {
    "issuer": TEXT,
    "dialects": list_of(closed({"name": {"type": "string", "enum": ["zap", "buddy"]}, "url": _LINK})),
    "revocation_bound": {"type": "integer", "const": 0},
    "gate_without_database": {"type": "string", "enum": ["refuse", "accept"]},
    "event_delivery_aim": {"type": "number", "const": 0.1},
    **dict.fromkeys(("events_url", "gate_url", "jwks_uri", "metadata_url", "documentation_url", "schema_url"), _LINK),
}
_EXAMPLE_DECLARED = declared.describe(
    "https://auth.example.org", root="https://auth.example.org", without_database="refuse"
)
_PUBLIC = {"Access-Control-Allow-Origin": {"required": True, "schema": {"type": "string"}, "example": "*"}}
_FOR_A_WHILE = {"required": True, "schema": {"type": "string", "const": metadata.CACHE_KEYS}}
_FORM_ERRORS = [RepeatedParameter(), TwoCredentials()]


def _text_or_texts(value: Any) -> Schema:
    return list_of(TEXT) if isinstance(value, list) else _URL


OPERATIONS: dict[str, Operation] = {
    "GET /.well-known/jwks.json": Operation(
        id="jwks",
        tag=TOKENS,
        summary="The keys that verify tokens",
        description="A JWK Set (RFC 7517). A cache may store it for five minutes: a key says nothing about a session."
        " A service that checks tokens with these keys alone accepts a logged-out token until its `exp`.",
        answers=closed({"keys": list_of(_KEY)}),
        example={"keys": [_EXAMPLE_KEY]},
        headers=_PUBLIC | {"Cache-Control": _FOR_A_WHILE},
    ),
    "GET /.well-known/zapauth": Operation(
        id="declared",
        tag=TOKENS,
        summary="What this service promises",
        description="`revocation_bound` is the number of seconds from the answer to a logout until every worker of"
        " every server refuses the token: 0. If `gate_without_database` is `accept`, the gate does not keep the bound"
        " while the database is away. `event_delivery_aim` is a number of seconds, from the end of a session to"
        " its event. If the service does not know its own URL, the links are paths.",
        answers=closed(_DECLARED),
        example=_EXAMPLE_DECLARED,
        headers=_PUBLIC,
    ),
    "GET /.well-known/oauth-authorization-server": Operation(
        id="oauthMetadata",
        tag=TOKENS,
        summary="Where the routes for tokens are",
        description="RFC 8414. If the issuer has a path, it follows: `/.well-known/oauth-authorization-server/path`."
        " 404 if `TOKEN_ISSUER` is no URL. Nobody logs in through these routes, so there is no authorization endpoint.",
        answers=closed({name: _text_or_texts(value) for name, value in _EXAMPLE_SERVER.items()}),
        example=_EXAMPLE_SERVER,
        headers=_PUBLIC,
        raises=[Http404()],
    ),
    "POST /oauth/introspect": Operation(
        id="introspect",
        tag=TOKENS,
        summary="Ask whether a token is accepted now",
        description='RFC 7662, by the rules of each request. `{"active": false}` means: unknown, expired, ended, or not'
        " one that this app may ask about. A refresh token is active only with `token_type_hint=refresh_token`, so that"
        " no service takes one for an access token. To ask about an access token is a use of its session."
        f" `Accept: {SIGNED}` gets the same answer, signed (RFC 9701).",
        takes=TokenForm,
        given={"token": TOKEN},
        answers={"oneOf": [ACTIVE.ref, closed({"active": constant(False)})]},
        example={
            "active": True,
            "token_type": "Bearer",
            "client_id": OBJECT_ID,
            "sub": OBJECT_ID,
            "aud": OBJECT_ID,
            "iss": "https://auth.example.org",
            "sid": "0190b5ea-7a1c-7d52-8f6a-3f1f4a0c9a11",
            "level": "user",
            "jti": "8c1e4a5d1e0b4c0c9a4f0f7b7e1f2a3b",
            "iat": 1795334400,
            "exp": 1795335300,
        },
        also={SIGNED: {"schema": {"type": "string", "contentMediaType": "application/jwt"}}},
        raises=_FORM_ERRORS,
    ),
    "POST /oauth/revoke": Operation(
        id="revoke",
        tag=TOKENS,
        summary="End the session of a token",
        description="RFC 7009. Takes access tokens, also expired ones, and refresh tokens, also used ones. After the"
        " 200, the session's tokens are refused everywhere. An unknown token and an ended session get 200, too. An app"
        " with access to its own sessions gets 403 for a token of another app, and nothing ends.",
        takes=TokenForm,
        given={"token": TOKEN},
        answers=closed({}),
        example={},
        raises=_FORM_ERRORS,
    ),
}
NOTES: dict[str, Schema] = {
    "token_type_hint": {
        "description": f"`{REFRESH_TOKEN}` asks about refresh tokens, too. Other values are ignored, because a token"
        " itself says what it is.",
    },
}
