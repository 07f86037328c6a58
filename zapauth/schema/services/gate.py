"""Describes the gate in OpenAPI. It is no view of DRF, so it is added when everything else is described."""

from collections.abc import Iterable
from datetime import datetime
from http import HTTPStatus
from typing import Any

from zapauth.gate import answers
from zapauth.gate.answers import PASSED, REFUSALS, Refusal, refused
from zapauth.gate.verdict import Passed
from zapauth.schema.operations import OBJECT_ID as AN_ID
from zapauth.services.answers import CONTENT_TYPE, ERROR, Problem
from zapauth.shapes import OBJECT_ID, UUID, Schema, list_of, ref

PATH, TAG = "/verify", "Gateways"
_SESSION = "0190163d-8694-739b-aea5-966c26f8ad91"
_APP = "63fce0e18b8dd4e163d06d5d"
_EXAMPLE = Passed(AN_ID, _SESSION, _APP, "nurse", datetime.fromisoformat("2026-03-01T12:15:00Z"))

_DESCRIPTION = """\
A gateway (nginx, Envoy, Traefik, …) asks it about each request that it gets, with the client's `Authorization`. On 200
it passes the request on, with the headers of this answer in place of the client's own of these names. Each call asks
the database, and no answer may be cached: the first call after the answer to a logout is refused.

Every method is the same here, every `Host` is taken, and no body is read. The tokens of both dialects pass, user-level
and app-level ones. The answer is 200, 401, 403 or 503.

A gateway that puts a prefix before the client's own path uses paths below `/verify`. There the query is the client's,
and is ignored. The parameters stand in the first segment: `/verify;app=63fce0e18b8dd4e163d06d5d;level=user/any/path`.
There `app` is an id, and `role` has letters, digits and `-._~:@` only.

Clients of a signed app sign the method and the path of their own request. Below `/verify` these are the call's own. At
`/verify` the gateway sends them as `X-Forwarded-Method` and `X-Forwarded-Uri`.
"""
_PARAMETERS: tuple[tuple[str, str, Schema], ...] = (
    (
        "app",
        "The id or the name of the app whose tokens pass. Several: any of these apps.",
        list_of({"type": "string"}),
    ),
    ("level", "Only tokens of users pass, and not app-level ones.", {"type": "string", "enum": ["user"]}),
    ("role", "The role id of the users whose tokens pass. Several: any of these roles.", list_of({"type": "string"})),
)
_OWN_HEADERS: dict[str, tuple[str, Schema, str]] = {
    answers.USER: (
        "The user's id. Empty for an app-level token.",
        {"type": "string", "pattern": "^([0-9a-f]{24})?$"},
        AN_ID,
    ),
    answers.SESSION: ("The session's id.", UUID, _SESSION),
    answers.APP: ("The app's id.", OBJECT_ID, _APP),
    answers.ROLE: (
        "The user's role id. Other characters than letters, digits and `-._~:/@` are percent-encoded. Empty: no role.",
        {"type": "string", "pattern": "^([A-Za-z0-9._~:/@-]|%[0-9A-F]{2})*$"},
        "nurse",
    ),
    answers.REMOTE_USER: ("The same as `X-User-Id`.", {"type": "string", "pattern": "^([0-9a-f]{24})?$"}, AN_ID),
}
_UNCHECKED: Schema = {
    "description": "Only with `GATE_WITHOUT_DATABASE=accept`, while the database is away: the session was not checked.",
    "schema": {"type": "string", "const": "no"},
}
_CHALLENGE: Schema = {
    "description": "RFC 6750 §3. A request without a token gets no error code.",
    "required": True,
    "schema": {"type": "string", "pattern": '^Bearer realm="zapauth"(, error="[a-z_]+", error_description="[^"]+")?$'},
    "example": refused(answers.ENDED)["WWW-Authenticate"],
}


def with_gate(result: Schema, generator: Any, request: Any, public: bool) -> Schema:
    """Add the gate to the description. drf-spectacular calls this at the end."""
    result["paths"][PATH] = {"get": _operation()}
    _add(result, "schemas", ERROR.name, ERROR.schema)
    _add(result, "headers", "Gate-WWW-Authenticate", _CHALLENGE)
    return result


def _add(result: Schema, kind: str, name: str, value: Schema) -> None:
    components = result["components"].setdefault(kind, {})
    components.setdefault(name, value)
    result["components"][kind] = dict(sorted(components.items()))


def _operation() -> Schema:
    return {
        "operationId": "verify",
        "description": _DESCRIPTION,
        "summary": "Tell a gateway whether a token is live",
        "parameters": [
            {"name": name, "in": "query", "description": text, "schema": schema} for name, text, schema in _PARAMETERS
        ],
        "tags": [TAG],
        "security": [{"ZapToken": []}, {"BuddyToken": []}],  # of the gateway's client
        "responses": {"200": _passed(), **{str(status): _refused(status) for status in (401, 403, 503)}},
    }


def _passed() -> Schema:
    own = {
        name: {"description": text, "required": True, "schema": schema, "example": example}
        for name, (text, schema, example) in _OWN_HEADERS.items()
    }
    return {
        "description": "OK: the session is live. The setting `GATE_HEADERS` can give the first headers other names.",
        "headers": own | {answers.UNCHECKED: _UNCHECKED} | _headers(()),
        "content": {CONTENT_TYPE: {"schema": PASSED.schema, "example": PASSED(_EXAMPLE)}},
    }


def _refused(status: int) -> Schema:
    among = [refusal for refusal in REFUSALS if refusal.status == status]
    words = list(dict.fromkeys(refusal.error for refusal in among))
    special = {"Retry-After": "Retry-After"} if status == 503 else {"WWW-Authenticate": "Gate-WWW-Authenticate"}
    examples = {word: {"value": _body(next(each for each in among if each.error == word))} for word in words}
    lines = [f"- `{refusal.error}`: {refusal.description}" for refusal in among]
    schema = {"allOf": [ERROR.ref, {"properties": {"error": {"enum": words}}}]}
    return {
        "description": "\n".join([f"{HTTPStatus(status).phrase}:", "", *lines]),
        "headers": _headers(special.items()),
        "content": {CONTENT_TYPE: {"schema": schema, "examples": examples}},
    }


def _body(refusal: Refusal) -> dict[str, Any]:
    return ERROR(Problem(refusal.error, refusal.description))


def _headers(special: Iterable[tuple[str, str]]) -> Schema:
    names = {"X-Request-ID": "X-Request-ID", "Cache-Control": "Cache-Control"} | dict(special)
    return {name: ref(component, kind="headers") for name, component in names.items()}
