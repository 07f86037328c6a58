"""Describes the routes for services in OpenAPI. Each group of routes has its operations in a module beside this one."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.http import HttpRequest, HttpResponse
from rest_framework.exceptions import ValidationError
from rest_framework.serializers import Serializer

from users.errors import BadAppCredentials, NotYours
from zapauth.schema.document import DialectSchema
from zapauth.schema.operations import Operation
from zapauth.schema.services import events, push, tokens
from zapauth.services import answers
from zapauth.services.push.answers import VERDICT
from zapauth.services.tokens import ACTIVE
from zapauth.services.viewsets import ServiceViewSet
from zapauth.shapes import Schema


class ServiceSchema(DialectSchema):
    prefix = "Service"
    content_type = answers.CONTENT_TYPE
    operations: Mapping[str, Operation] = {**tokens.OPERATIONS, **push.OPERATIONS, **events.OPERATIONS}
    shapes = (answers.ERROR, ACTIVE, VERDICT)
    notes: Mapping[str, Schema] = {**tokens.NOTES, **push.NOTES}
    security = {
        "type": "http",
        "scheme": "basic",
        "description": "The user name is the id of an app, and the password is its key."
        " The app needs access: `manage.py appaccess`.",
    }
    challenge = {
        "description": "RFC 7617: send the id and the key of an app.",
        "required": True,
        "schema": {"type": "string", "const": 'Basic realm="zapauth", charset="UTF-8"'},
    }
    links_without_token: Mapping[str, Schema] = {}
    path_parameters: Mapping[str, Schema] = {}

    def parameters_of(self, takes: type[Serializer[Any]]) -> Schema:
        schema = super().parameters_of(takes)
        return {"allOf": [schema, push.RULES[takes]]} if takes in push.RULES else schema

    def success(self, operation: Operation, request: HttpRequest) -> HttpResponse:
        return answers.answer(operation.example, status=operation.status)

    def success_schema(self, operation: Operation) -> Schema:
        return operation.answers

    def _success(self, operation: Operation) -> Schema:
        if not isinstance(operation.example, str):
            return super()._success(operation)
        content = {"schema": operation.answers, "example": operation.example}
        headers = self._headers(operation.status)
        return {"description": "OK", "headers": headers, "content": {events.CONTENT_TYPE: content}}

    def _in_query(self, operation: Operation) -> list[Schema]:
        return super()._in_query(operation) + events.HEADERS.get(f"{self.method} {self.path}", [])

    def failure_schema(self, status: int, bodies: Sequence[Mapping[str, Any]]) -> Schema:
        words = list(dict.fromkeys(body["error"] for body in bodies))
        return {"allOf": [answers.ERROR.ref, {"properties": {"error": {"enum": words}}}]}

    def word(self, body: Mapping[str, Any]) -> str:
        return str(body["error"])

    def meaning(self, body: Mapping[str, Any]) -> str:
        return str(body["error_description"])

    def invalid(self, takes: type[Serializer[Any]]) -> Iterator[Exception]:
        serializer = takes(data={name: [None] for name in takes().fields})
        serializer.is_valid()
        yield ValidationError(serializer.errors)

    def token_errors(self) -> list[Exception]:
        return [BadAppCredentials(), NotYours()]


# Set here, so that the routes themselves do not import OpenAPI code.
ServiceViewSet.schema = ServiceSchema()
