"""OpenAPI: what the descriptions of both dialects share.

What the code says is read from the code, so that it can't drift: paths and methods from the urls, parameters from
the serializers, media types from the parsers, security from the authenticators, and every error by asking the
dialect to word it. What it does not say stands in a table of each dialect: `zapauth.zap.operations`, `zapauth.buddy.operations`.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, cast

from django.core.exceptions import SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ComponentRegistry, ResolvedComponent
from rest_framework.exceptions import MethodNotAllowed, ParseError, UnsupportedMediaType
from rest_framework.serializers import Serializer
from uritemplate import variables

from sessions.errors import SessionEnded, TokenExpired, TokenInvalid, TokenMissing
from zapauth.dialect import BodyTooLarge, DialectViewSet

Schema = dict[str, Any]
Endpoint = tuple[str, str, str, Any]

# Of the second seed document.
REQUEST_ID = "9c1be948-e415-4917-8a54-76b07880b42b"
TOKEN = "eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9.eyJzaWQiOiIwMTkwYjVlYSJ9.c2lnbmF0dXJl"
TOKEN_SCHEMA: Schema = {"type": "string", "pattern": r"^[\w-]+\.[\w-]+\.[\w-]+$"}
OBJECT_ID: Schema = {"type": "string", "pattern": "^[0-9a-f]{24}$", "examples": ["63fce0e18b8dd4e163d06d5c"]}

HEADERS: dict[str, Schema] = {
    "X-Request-ID": {
        "description": "The id of the request, in the log and on the record, too: the request's own if that is a sane one.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"},
        "example": REQUEST_ID,
    },
    "Cache-Control": {
        "description": "An answer is never to be stored.",
        "required": True,
        "schema": {"type": "string", "const": "no-store"},
    },
    "Allow": {
        "description": "The methods that the path takes.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[A-Z]+(, [A-Z]+)*$"},
        "example": "GET, POST",
    },
    "Retry-After": {
        "description": "Seconds until it is worth another try.",
        "required": True,
        "schema": {"type": "integer", "minimum": 1},
        "example": 300,
    },
}


@dataclass(frozen=True, kw_only=True)
class Operation:
    """What the code of a route does not say.

    Args: takes: its parameters, in the body or, of a GET, in the query; given: an example of them.
        answers: what stands in the envelope; example: one of it; beside: what stands next to it, with examples.
        raises: the errors that are this operation's own.
    """

    id: str
    tag: str
    summary: str
    description: str = ""
    takes: type[Serializer] | None = None
    given: Mapping[str, Any] = field(default_factory=dict)
    status: int = 200
    answers: Schema
    example: Any
    beside: Mapping[str, Any] = field(default_factory=dict)
    raises: Sequence[Exception] = ()
    links: Mapping[str, Schema] = field(default_factory=dict)


def link(operation: str, *, body: Mapping[str, str] | None = None, **parameters: str) -> Schema:
    """What can be called next, with which of what is known (OpenAPI's runtime expressions)."""
    made: Schema = {"operationId": operation}
    return made | ({"parameters": parameters} if parameters else {}) | ({"requestBody": dict(body)} if body else {})


def closed(properties: Mapping[str, Any], *, optional: Iterable[str] = ()) -> Schema:
    """An object of these properties and no other; all of them are there but for the ``optional``."""
    required = [name for name in properties if name not in set(optional)]
    return {
        "type": "object",
        "properties": dict(properties),
        **({"required": required} if required else {}),
        "additionalProperties": False,
    }


def ref(name: str, *, kind: str = "schemas") -> Schema:
    return {"$ref": f"#/components/{kind}/{name}"}


def as_documented(endpoints: Iterable[Endpoint]) -> list[Endpoint]:
    """Paths without the slash that they may end in, their ids by short names; Buddy's `me` beside an id."""
    documented = []
    for path, regex, method, callback in endpoints:
        path = path.rstrip("/").replace("{user_id}", "{id}").replace("{session_id}", "{sid}")
        documented.append((path, regex, method, callback))
        if path == "/users/{id}":
            documented.append(("/users/me", regex, method, callback))
    return documented


class DialectSchema(AutoSchema):
    """Describes the routes of a dialect, which says here how it words things."""

    prefix: str  # of its components
    content_type: str
    operations: Mapping[str, Operation]  # by method and path: "GET /v1/users"
    shapes: Mapping[str, Schema]  # schemas that others refer to
    headers: Mapping[str, Schema]  # its own, beside those of both
    path_parameters: Mapping[str, Schema]
    notes: Mapping[str, Schema]  # what is to be said of a parameter, by its name

    registry: ComponentRegistry
    view: DialectViewSet

    def success(self, operation: Operation, request: HttpRequest) -> HttpResponse:
        """The answer that ``operation`` gives for an example."""
        raise NotImplementedError

    def success_schema(self, operation: Operation) -> Schema:
        raise NotImplementedError

    def failure_schema(self, status: int, bodies: Sequence[Mapping[str, Any]]) -> Schema:
        """What all of these bodies of errors are, and nothing else is."""
        raise NotImplementedError

    def word(self, body: Mapping[str, Any]) -> str:
        """The word that tells an error from others."""
        raise NotImplementedError

    def invalid(self, takes: type[Serializer]) -> Iterator[Exception]:
        """What is raised for parameters that are not as ``takes`` wants them, one of each kind."""
        raise NotImplementedError

    def name_of(self, parameter: str, takes: type[Serializer]) -> str:
        """As clients spell it."""
        return parameter

    def token_errors(self) -> list[Exception]:
        return [TokenMissing(), TokenExpired(), TokenInvalid(), SessionEnded()]

    @property
    def operation(self) -> Operation:
        return self.operations[f"{self.method} {self.path}"]

    def get_operation(
        self, path: str, path_regex: str, path_prefix: str, method: str, registry: ComponentRegistry
    ) -> Schema | None:
        self.registry, self.path, self.method = registry, path, method
        for name, schema in self.shapes.items():
            self._register("schemas", name, schema)
        for name, header in (HEADERS | dict(self.headers)).items():
            self._register("headers", name, header)
        operation = self.operation
        return {
            "operationId": operation.id,
            "tags": [operation.tag],
            "summary": operation.summary,
            **({"description": operation.description} if operation.description else {}),
            **({"parameters": parameters} if (parameters := self._in_path() + self._in_query()) else {}),
            **({"requestBody": body} if (body := self._body()) else {}),
            "security": self.get_auth(),
            "responses": {str(operation.status): self._success(operation)} | self._failures(operation),
        }

    def parameters_of(self, takes: type[Serializer]) -> Schema:
        """The schema of an input, its parameters as clients spell them, those that are needed first."""
        schema = cast(Schema, self._map_serializer(takes, "request"))
        required = schema.pop("required", [])
        names = sorted(schema.pop("properties"), key=lambda name: name not in required)
        properties = self._map_serializer(takes, "request")["properties"]
        spelt = {self.name_of(name, takes): properties[name] for name in names}
        schema["properties"] = {name: shown | self.notes.get(name, {}) for name, shown in spelt.items()}
        return schema | ({"required": [self.name_of(name, takes) for name in required]} if required else {})

    def _register(self, kind: str, name: str, schema: Schema) -> Schema:
        self.registry.register_on_missing(ResolvedComponent(name, kind, schema, object=name))
        return ref(name, kind=kind)

    def _in_path(self) -> list[Schema]:
        return [
            {"name": name, "in": "path", "required": True, **self.path_parameters[name]}
            for name in variables(self.path)
        ]

    def _in_query(self) -> list[Schema]:
        takes = self.operation.takes
        if takes is None or self.method != "GET":
            return []
        parameters = []
        for name, schema in self.parameters_of(takes)["properties"].items():
            description = schema.pop("description", None)
            described = {"description": description} if description else {}
            parameters.append({"name": name, "in": "query", **described, "schema": schema})
        return parameters

    def _body(self) -> Schema | None:
        operation = self.operation
        # RFC 9110 §9.3.5: a body of a DELETE has no meaning that all agree on. Buddy reads one, but nobody needs it.
        if operation.takes is None or self.method in ("GET", "DELETE"):
            return None
        schema = self.parameters_of(operation.takes)
        name = operation.takes.__name__.removeprefix("Staff").removesuffix("Input")
        shown = self._register("schemas", f"{self.prefix}{name}Request", schema)
        content = {"schema": shown} | ({"example": dict(operation.given)} if operation.given else {})
        media_types = cast("list[str]", self.map_parsers())
        return {"required": "required" in schema, "content": {kind: dict(content) for kind in media_types}}

    def _success(self, operation: Operation) -> Schema:
        return {
            "description": HTTPStatus(operation.status).phrase,
            "headers": self._headers(),
            **self._content(self.success_schema(operation), {"example": _body_of(self.success(operation, _request()))}),
            **({"links": dict(operation.links)} if operation.links else {}),
        }

    def _failures(self, operation: Operation) -> dict[str, Schema]:
        """The answers to all that can go wrong, by status; what any route answers is a component."""
        own = [*operation.raises, *(self.invalid(operation.takes) if operation.takes else ())]
        by_status: dict[int, dict[str, dict[str, Any]]] = {}
        is_own: set[int] = set()
        for error in [*own, *self._errors_of_any()]:
            answer = self.view.failure(_request(), error)
            assert answer is not None, error  # noqa: S101
            is_own |= {answer.status_code} if error in own else set()
            body = _body_of(answer)
            by_status.setdefault(answer.status_code, {}).setdefault(self._distinct(body), body)
        by_status[500] = {"": _body_of(self.view.server_error(_request()))}
        responses = {}
        for status, bodies in sorted(by_status.items()):
            response = self._failure(status, list(bodies.values()))
            if status not in is_own:
                response = self._register("responses", f"{self.prefix}{_camel(HTTPStatus(status).phrase)}", response)
            responses[str(status)] = response
        return responses

    def _distinct(self, body: Mapping[str, Any]) -> str:
        return f"{self.word(body)} {bool(body.get('errors'))}"

    def _errors_of_any(self) -> list[Exception]:
        """What this route shares with others."""
        errors: list[Exception] = [SuspiciousOperation(), MethodNotAllowed(self.method)]
        if self.operation.takes is not None and self.method != "GET":
            errors += [ParseError(), UnsupportedMediaType(""), BodyTooLarge()]
        if variables(self.path):
            errors.append(Http404())
        return errors + (self.token_errors() if self.view.get_authenticators() else [])

    def _failure(self, status: int, bodies: Sequence[Mapping[str, Any]]) -> Schema:
        lines = {f"- `{self.word(body)}`: {body['message']}" for body in bodies}
        examples = {}
        for body in bodies:
            examples.setdefault(self.word(body), {"value": body})
        return {
            "description": "\n".join([HTTPStatus(status).phrase, "", *sorted(lines)]),
            "headers": self._headers(status),
            **self._content(self.failure_schema(status, bodies), {"examples": examples}),
        }

    def _content(self, schema: Schema, examples: Schema) -> Schema:
        return {"content": {self.content_type: {"schema": schema, **examples}}}

    def _headers(self, status: int = 200) -> Schema:
        special = {401: "WWW-Authenticate", 405: "Allow", 429: "Retry-After"}
        names = ["X-Request-ID", "Cache-Control", *([special[status]] if status in special else [])]
        own = {name: f"{self.prefix}-{name}" if f"{self.prefix}-{name}" in self.headers else name for name in names}
        return {name: ref(component, kind="headers") for name, component in own.items()}


def _request() -> HttpRequest:
    """What an error or an answer is worded for in an example."""
    request = HttpRequest()
    request.request_id = REQUEST_ID  # type: ignore[attr-defined]
    return request


def _body_of(response: HttpResponse) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(response.content)
    return body


def _camel(words: str) -> str:
    return "".join(word.capitalize() for word in words.replace("_", " ").replace("-", " ").split())
