"""Describes ZAP in OpenAPI."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.core.validators import RegexValidator
from django.http import HttpRequest, HttpResponse
from drf_spectacular.extensions import OpenApiSerializerFieldExtension
from rest_framework.exceptions import ValidationError
from rest_framework.serializers import Serializer

from zapauth.schema.document import DialectSchema
from zapauth.schema.operations import OBJECT_ID, Operation, link
from zapauth.schema.zap import notifications, passwords, second_factor, sessions, users
from zapauth.schema.zap.parameters import NOTES
from zapauth.shapes import OBJECT_ID as OBJECT_ID_SCHEMA
from zapauth.shapes import UUID, Schema, Shape
from zapauth.zap import answers, envelope
from zapauth.zap.authentication import OptionalAuthentication
from zapauth.zap.serializers import CodeAgainInput, CodeInput, LoginInput
from zapauth.zap.viewsets import ZapViewSet

# At least one of these fields is required.
_ONE_OF: dict[type[Serializer[Any]], tuple[str, ...]] = {
    LoginInput: ("identity", "email"),
    CodeInput: ("email", "phoneNumber"),
    CodeAgainInput: ("email", "phoneNumber", "username"),
}


class ZapSchema(DialectSchema):
    prefix = "Zap"
    content_type = envelope.CONTENT_TYPE
    operations = (
        users.OPERATIONS
        | sessions.OPERATIONS
        | passwords.OPERATIONS
        | second_factor.OPERATIONS
        | notifications.OPERATIONS
    )
    shapes = (*answers.COMPONENTS, envelope.ERROR, envelope.FIELD_ERROR)
    notes = NOTES
    security = {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "The `token` of the answer to `POST /v1/login` or `POST /v1/refresh`.",
    }
    challenge = {
        "description": "RFC 6750 §3: which kind of token is needed and, if one was sent, why it is refused.",
        "required": True,
        "schema": {
            "type": "string",
            "pattern": '^Bearer realm="zapauth"(, error="invalid_token", error_description="[^"]+")?$',
        },
        "example": 'Bearer realm="zapauth", error="invalid_token", error_description="The token has expired."',
    }
    links_without_token = {"refresh": link("zapRefresh"), "logIn": link("zapLogIn")}
    path_parameters = {
        "id": {"description": "A user.", "schema": OBJECT_ID_SCHEMA, "example": OBJECT_ID},
        "sid": {
            "description": "A session of that user.",
            "schema": UUID,
            "example": "0190b5ea-7a1c-7d52-8f6a-3f1f4a0c9a11",
        },
    }

    def parameters_of(self, takes: type[Serializer[Any]]) -> Schema:
        schema = super().parameters_of(takes)
        if takes in _ONE_OF:
            schema["anyOf"] = [{"required": [name]} for name in _ONE_OF[takes]]
        return schema

    def success(self, operation: Operation, request: HttpRequest) -> HttpResponse:
        return envelope.success(operation.example, status=operation.status, **operation.example_beside)

    def success_schema(self, operation: Operation) -> Schema:
        return envelope.SUCCESS.schema_with(data=operation.answers, **operation.beside)

    def failure_schema(self, status: int, bodies: Sequence[Mapping[str, Any]]) -> Schema:
        plain = [body["code"] for body in bodies if "errors" not in body]
        kinds = [_narrowed(envelope.ERROR, code=plain)] if plain else []
        fields: dict[str, list[str]] = {}
        for body in bodies:
            if "errors" in body:
                fields.setdefault(body["code"], []).extend(body["errors"])
        kinds += [_narrowed(envelope.FIELD_ERROR, code=[code], fields=names) for code, names in fields.items()]
        return kinds[0] if len(kinds) == 1 else {"oneOf": kinds}

    def word(self, body: Mapping[str, Any]) -> str:
        return str(body["code"])

    def meaning(self, body: Mapping[str, Any]) -> str:
        if body["code"] == "invalid_request":
            return "A field is missing, of the wrong type or out of bounds; `errors` says which and why."
        return super().meaning(body)

    def invalid(self, takes: type[Serializer[Any]]) -> Iterator[Exception]:
        # First all fields with a wrong type, so that all names appear. Then a body that is not an object.
        yield _refusal(takes, {name: [None] for name in takes().fields})
        if self.method != "GET":
            yield _refusal(takes, [])

    def needs_token(self) -> bool:
        return not any(isinstance(each, OptionalAuthentication) for each in self.view.get_authenticators())


def _narrowed(shape: Shape[Any], *, code: Sequence[str], fields: Sequence[str] = ()) -> Schema:
    """An error of ``shape``, limited to these codes and to errors of these fields."""
    properties: Schema = {"code": {"enum": list(dict.fromkeys(code))}}
    if fields:
        properties["errors"] = {"propertyNames": {"enum": list(dict.fromkeys(fields))}}
    return {"allOf": [shape.ref, {"properties": properties}]}


def _refusal(takes: type[Serializer[Any]], data: Any) -> ValidationError:
    serializer = takes(data=data)
    serializer.is_valid()
    return ValidationError(serializer.errors)


class PasswordField(OpenApiSerializerFieldExtension):
    """A password field with all patterns of a new password. drf-spectacular itself adds only the first one."""

    target_class = "zapauth.zap.serializers.Password"
    match_subclasses = True

    def map_serializer_field(self, auto_schema: Any, direction: str) -> Schema:
        patterns = [
            re.compile(each.regex).pattern for each in self.target.validators if isinstance(each, RegexValidator)
        ]
        more = {"allOf": [{"pattern": pattern} for pattern in patterns[1:]]} if patterns[1:] else {}
        return {"type": "string", "format": "password", "minLength": 1, **more}


class MomentField(OpenApiSerializerFieldExtension):
    target_class = "zapauth.zap.serializers.Moment"

    def map_serializer_field(self, auto_schema: Any, direction: str) -> Schema:
        return {"type": "string", "anyOf": [{"format": "date"}, {"format": "date-time"}]}


class RoleIdField(OpenApiSerializerFieldExtension):
    target_class = "zapauth.zap.serializers.RoleId"

    def map_serializer_field(self, auto_schema: Any, direction: str) -> Schema:
        longest = self.target.max_length
        return {
            "anyOf": [
                {"type": "string", "maxLength": longest},
                {"type": "integer", "exclusiveMinimum": -(10 ** (longest - 1)), "exclusiveMaximum": 10**longest},
            ]
        }


class CodeField(OpenApiSerializerFieldExtension):
    target_class = "zapauth.zap.serializers.Code"

    def map_serializer_field(self, auto_schema: Any, direction: str) -> Schema:
        return {"type": "string", "pattern": "[^ ]"}


class FactorCodeField(OpenApiSerializerFieldExtension):
    target_class = "zapauth.zap.serializers.FactorCode"

    def map_serializer_field(self, auto_schema: Any, direction: str) -> Schema:
        text: Schema = {"type": "string", "maxLength": self.target.max_length}
        if not self.target.allow_blank:
            text["pattern"] = "[^ ]"
        return {"anyOf": [text, {"type": "integer", "minimum": 0, "maximum": 999_999}]}


# Set here, so that the dialect itself does not import OpenAPI code.
ZapViewSet.schema = ZapSchema()
