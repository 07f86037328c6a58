"""Describe a dialect in OpenAPI.

Most of the description comes from the code, so that the two can't differ: paths and methods from the URLs, parameters
from the serializers, answers from the shapes, media types from the parsers, security from the authenticators, and each
error from the dialect's own messages. The rest is in `zapauth.schema.zap` and `zapauth.schema.buddy`.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any, cast

from django.core.exceptions import SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ComponentRegistry, ResolvedComponent, build_mock_request
from rest_framework.exceptions import MethodNotAllowed, ParseError, UnsupportedMediaType
from rest_framework.request import Request
from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from sessions.errors import SessionEnded, TokenExpired, TokenInvalid, TokenMissing
from zapauth.dialect import BodyTooLarge, DialectViewSet
from zapauth.schema.operations import REQUEST_ID, Operation
from zapauth.server.bodies import BodyTimedOut
from zapauth.shapes import Schema, Shape, ref
from zapauth.unavailable import Unavailable

Endpoint = tuple[str, str, str, Any]

HEADERS: dict[str, Schema] = {
    "X-Request-ID": {
        "description": "The id of the request in the log and in the record of changes. The id that the request sent is"
        " used, if it is well-formed.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"},
        "example": REQUEST_ID,
    },
    "Cache-Control": {
        "description": "No cache may store an answer.",
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
_ON_STATUS = {401: "WWW-Authenticate", 405: "Allow", 429: "Retry-After", 503: "Retry-After"}


def as_documented(endpoints: Iterable[Endpoint]) -> list[Endpoint]:
    """Return the endpoints without trailing slashes and with short names of ids. Buddy's `me` gets its own path."""
    documented = []
    for path, regex, method, callback in endpoints:
        if path.endswith("{path}"):  # the same route, for an issuer with a path
            continue
        path = path.rstrip("/").replace("{user_id}", "{id}").replace("{session_id}", "{sid}")
        documented.append((path, regex, method, callback))
        if path == "/users/{id}":
            documented.append(("/users/me", regex, method, callback))
    return documented


def request_for(method: str, path: str, view: APIView, original_request: Request | None, **options: Any) -> Request:
    """Make the request for which drf-spectacular describes ``view``. Authenticators may need its method."""
    view.request = cast(Request, HttpRequest())
    view.request.method = method
    request: Request = build_mock_request(method, path, view, original_request, **options)
    return request


class DialectSchema(AutoSchema):
    """Describes the routes of a dialect. Subclasses add what the dialect alone has."""

    prefix: str  # for the names of its components
    content_type: str
    operations: Mapping[str, Operation]  # by method and path: "GET /v1/users"
    shapes: Sequence[Shape[Any]]  # components that other schemas refer to
    security: Schema  # how a request sends a token
    challenge: Schema  # the WWW-Authenticate header
    links_without_token: Mapping[str, Schema]  # the calls that grant a valid token
    path_parameters: Mapping[str, Schema]
    notes: Mapping[str, Schema]  # additions to the schema of a parameter, by its name

    def success(self, operation: Operation, request: HttpRequest) -> HttpResponse:
        """Return the answer with the example of ``operation``."""
        raise NotImplementedError

    def success_schema(self, operation: Operation) -> Schema:
        raise NotImplementedError

    def failure_schema(self, status: int, bodies: Sequence[Mapping[str, Any]]) -> Schema:
        """Return the schema of exactly these error bodies."""
        raise NotImplementedError

    def word(self, body: Mapping[str, Any]) -> str:
        """Return the value by which clients recognise an error."""
        raise NotImplementedError

    def meaning(self, body: Mapping[str, Any]) -> str:
        """Return when the error occurs. In most cases its message says so."""
        return str(body["message"])

    def invalid(self, takes: type[Serializer[Any]]) -> Iterator[Exception]:
        """Yield one error of each kind that invalid parameters of ``takes`` raise."""
        raise NotImplementedError

    def spelling(self, parameter: str, takes: type[Serializer[Any]]) -> str:
        """Return the name of a parameter as clients write it."""
        return parameter

    def needs_token(self) -> bool:
        """Return whether a route that takes a token also requires it."""
        return True

    def token_errors(self) -> list[Exception]:
        return [TokenMissing(), TokenExpired(), TokenInvalid(), SessionEnded()]

    def get_operation(
        self, path: str, path_regex: str, path_prefix: str, method: str, registry: ComponentRegistry
    ) -> Schema | None:
        self.registry, self.path, self.method = registry, path, method
        for shape in self.shapes:
            self._component("schemas", shape.name, shape.schema)
        for name, header in (HEADERS | {f"{self.prefix}-WWW-Authenticate": self.challenge}).items():
            self._component("headers", name, header)
        operation = self.operations[f"{method} {path}"]
        described = {
            "operationId": operation.id,
            "tags": [operation.tag],
            "summary": operation.summary,
            "description": operation.description,
            "parameters": self._in_path() + self._in_query(operation),
            "requestBody": self._body(operation),
            "security": self.get_auth(),
            "responses": {str(operation.status): self._success(operation), **self._failures(operation)},
        }
        return {name: value for name, value in described.items() if value or name == "security"}

    def get_auth(self) -> list[Schema]:
        if not self.view.get_authenticators():
            return []
        name = f"{self.prefix}Token"
        self._component("securitySchemes", name, self.security)
        return [{name: []}] if self.needs_token() else [{}, {name: []}]

    def _component(self, kind: str, name: str, schema: Schema) -> Schema:
        self.registry.register_on_missing(ResolvedComponent(name, kind, schema, object=name))
        return ref(name, kind=kind)

    # --- what is sent --------------------------------------------------------------------------

    def parameters_of(self, takes: type[Serializer[Any]]) -> Schema:
        """Return the schema of an input, with the names that clients write. The required parameters come first."""
        schema = cast(Schema, self._map_serializer(takes, "request"))  # type: ignore[no-untyped-call]
        properties, required = schema["properties"], schema.get("required", [])
        spelt = {name: self.spelling(name, takes) for name in sorted(properties, key=lambda name: name not in required)}
        for schema_of_one in properties.values():
            schema_of_one.pop("x-spec-enum-id", None)  # drf-spectacular uses this internally
        schema["properties"] = {spelt[name]: properties[name] | self.notes.get(spelt[name], {}) for name in spelt}
        return schema | ({"required": [spelt[name] for name in spelt if name in required]} if required else {})

    def _in_path(self) -> list[Schema]:
        return [{"name": name, "in": "path", "required": True, **self.path_parameters[name]} for name in self._names()]

    def _names(self) -> list[str]:
        return re.findall(r"{(\w+)}", self.path)

    def _in_query(self, operation: Operation) -> list[Schema]:
        if operation.takes is None or self.method != "GET":
            return []
        properties = self.parameters_of(operation.takes)["properties"]
        described = {name: {"description": schema.pop("description", "")} for name, schema in properties.items()}
        return [{"name": name, "in": "query", **described[name], "schema": properties[name]} for name in properties]

    def _body(self, operation: Operation) -> Schema | None:
        # The body of a DELETE has no generally defined meaning (RFC 9110 §9.3.5). So none is required.
        if operation.takes is None or self.method == "GET":
            return None
        schema = self.parameters_of(operation.takes)
        name = self.prefix + operation.takes.__name__.removeprefix("Staff").removeprefix(self.prefix)
        content = {"schema": self._component("schemas", name, schema)}
        if operation.given:
            content["example"] = dict(operation.given)
        return {"required": "required" in schema, "content": {kind: dict(content) for kind in self.map_parsers()}}

    # --- what is answered ----------------------------------------------------------------------

    def _success(self, operation: Operation) -> Schema:
        example = _body_of(self.success(operation, _request()))
        answer = {
            "description": _phrase(operation.status),
            "headers": self._headers(operation.status) | dict(operation.headers),
            "content": {self.content_type: {"schema": self.success_schema(operation), "example": example}}
            | dict(operation.also),
        }
        return answer | ({"links": dict(operation.links)} if operation.links else {})

    def _failures(self, operation: Operation) -> dict[str, Schema]:
        """Return the answers to errors, by status. Answers that many routes share are components."""
        view = cast(DialectViewSet, self.view)
        own = [*operation.raises, *(self.invalid(operation.takes) if operation.takes else ())]
        found: dict[int, list[dict[str, Any]]] = {500: [_body_of(view.server_error(_request()))]}
        special = set()
        for error in (*own, *self._errors_of_many(operation)):
            answer = view.failure(_request(), error)
            if answer is None:
                raise TypeError(f"the dialect has no words for {error!r}")
            found.setdefault(answer.status_code, []).append(_body_of(answer))
            special |= {answer.status_code} if error in own else set()
        responses = {}
        for status, bodies in sorted(found.items()):
            response = self._failure(status, bodies)
            links = operation.links_after.get(status) or (self.links_without_token if status == 401 else {})
            response |= {"links": dict(links)} if links else {}
            if status not in special:
                response = self._component("responses", self.prefix + _joined(_phrase(status)), response)
            elif len(bodies) == 1:
                name = f"{self.prefix}{_joined(self.word(bodies[0]))}{status}"
                response = self._component("responses", name, response)
            responses[str(status)] = response
        return responses

    def _errors_of_many(self, operation: Operation) -> list[Exception]:
        errors: list[Exception] = [SuspiciousOperation(), MethodNotAllowed(self.method), Unavailable()]
        if operation.takes is not None and self.method != "GET":
            errors += [ParseError(), UnsupportedMediaType(""), BodyTooLarge(), BodyTimedOut()]
        if self._names():
            errors.append(Http404())  # for an id with a slash in it
        return errors + (self.token_errors() if self.view.get_authenticators() else [])

    def _failure(self, status: int, bodies: Sequence[Mapping[str, Any]]) -> Schema:
        lines = dict.fromkeys(f"- `{self.word(body)}`: {self.meaning(body)}" for body in bodies)
        examples: dict[str, Any] = {}
        for body in bodies:
            examples.setdefault(self.word(body), {"value": body})
        return {
            "description": "\n".join([f"{_phrase(status)}:", "", *lines]),
            "headers": self._headers(status),
            "content": {self.content_type: {"schema": self.failure_schema(status, bodies), "examples": examples}},
        }

    def _headers(self, status: int) -> dict[str, Schema]:
        names = {name: name for name in ("X-Request-ID", "Cache-Control")}
        if special := _ON_STATUS.get(status):
            names[special] = f"{self.prefix}-{special}" if status == 401 else special
        return {name: ref(component, kind="headers") for name, component in names.items()}


def _request() -> HttpRequest:
    """Make the request that the examples answer."""
    request = HttpRequest()
    request.request_id = REQUEST_ID  # type: ignore[attr-defined]
    return request


def _body_of(response: HttpResponse) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(response.content)
    return body


def _phrase(status: int) -> str:
    # The phrases are those of RFC 9110 (§15.5.21 for 422). Older versions of Python have another one for 422.
    return "Unprocessable Content" if status == 422 else HTTPStatus(status).phrase


def _joined(words: str) -> str:
    return "".join(word[:1].upper() + word[1:] for word in words.replace("_", " ").split())
