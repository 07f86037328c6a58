"""Describes Buddy in OpenAPI."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.http import HttpRequest, HttpResponse
from drf_spectacular.extensions import OpenApiSerializerFieldExtension
from rest_framework.exceptions import ValidationError
from rest_framework.serializers import Serializer

from sessions.errors import UserTokenRequired
from zapauth.buddy import answers, envelope, errors
from zapauth.buddy.authentication import UserLevel
from zapauth.buddy.serializers import BuddyInput, ResetRequestInput, _wire_name
from zapauth.buddy.viewsets import BuddyViewSet
from zapauth.schema.buddy import devices, login, users
from zapauth.schema.buddy.parameters import NOTES
from zapauth.schema.document import DialectSchema
from zapauth.schema.operations import OBJECT_ID, Operation, link
from zapauth.shapes import OBJECT_ID as OBJECT_ID_SCHEMA
from zapauth.shapes import Schema

# When these errors occur. Each message is about one parameter, so it does not explain the error in general.
_MEANINGS = {
    errors.PARAMETER_MISSING_REQUIRED_VALUE: "A parameter that is required is missing or empty; the message names it.",
    errors.PARAMETER_OUT_OF_RANGE: "A parameter, an id or the whole body is too long, too large or too small,"
    " or a new password is not good enough.",
    errors.PARAMETER_INCORRECT_FORMAT: "The body can't be read, or the format of a parameter is wrong.",
}


class BuddySchema(DialectSchema):
    prefix = "Buddy"
    content_type = envelope.CONTENT_TYPE
    operations = devices.OPERATIONS | users.OPERATIONS | login.OPERATIONS
    shapes = (*answers.COMPONENTS, envelope.ERROR)
    notes = NOTES
    security = {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "`Buddy <token>`, with the `accessToken` of an answer. An app with a shared secret signs each"
        " request: `Buddy <token> <signature>`, where the signature is hex HMAC-SHA256(secret, METHOD + newline +"
        " appId + newline + path). `Bearer` works as well as `Buddy`.",
    }
    challenge = {
        "description": "RFC 9110 §11.6.1: the scheme to authenticate with.",
        "required": True,
        "schema": {"type": "string", "const": 'Buddy realm="zapauth"'},
    }
    # After AuthAccessTokenInvalid a client drops all its tokens and registers its device again.
    links_without_token = {"registerDevice": link("buddyRegisterDevice")}
    path_parameters = {"id": {"description": "A user.", "schema": OBJECT_ID_SCHEMA, "example": OBJECT_ID}}

    def parameters_of(self, takes: type[Serializer[Any]]) -> Schema:
        schema = super().parameters_of(takes)
        schema["properties"]["location"] = schema["properties"].pop("location")  # every call takes it, so it comes last
        return schema | {"description": "Names in any case of letters. null is the same as no parameter."}

    def spelling(self, parameter: str, takes: type[Serializer[Any]]) -> str:
        if issubclass(takes, ResetRequestInput) and parameter == "username":
            return "userName"
        return _wire_name(takes().fields[parameter].source or parameter)

    def success(self, operation: Operation, request: HttpRequest) -> HttpResponse:
        return envelope.success(request, operation.example, status=operation.status)

    def success_schema(self, operation: Operation) -> Schema:
        status = {"type": "integer", "const": operation.status}
        return envelope.SUCCESS.schema_with(status=status, result=operation.answers)

    def failure_schema(self, status: int, bodies: Sequence[Mapping[str, Any]]) -> Schema:
        numbers = {body["error"]: body["errorNumber"] for body in bodies}
        pairs = [
            {"properties": {"error": {"const": name}, "errorNumber": {"const": number}}}
            for name, number in numbers.items()
        ]
        status_too: Schema = {"properties": {"status": {"const": status}}}
        return {"allOf": [envelope.ERROR.ref, status_too, pairs[0] if len(pairs) == 1 else {"oneOf": pairs}]}

    def word(self, body: Mapping[str, Any]) -> str:
        return str(body["error"])

    def meaning(self, body: Mapping[str, Any]) -> str:
        text = _MEANINGS.get((body["error"], body["errorNumber"])) or super().meaning(body)
        return f"{text} ({body['errorNumber']})"

    def invalid(self, takes: type[Serializer[Any]]) -> Iterator[Exception]:
        for parameters in ({}, {"location": "91,0"}, {"location": "here"}):
            if issubclass(takes, BuddyInput) and (refusal := _refusal(takes, parameters)):
                yield refusal

    def token_errors(self) -> list[Exception]:
        needs_user = any(isinstance(permission, UserLevel) for permission in self.view.get_permissions())
        return [*super().token_errors(), errors.SignatureInvalid(), *([UserTokenRequired()] if needs_user else [])]


def _refusal(takes: type[BuddyInput], parameters: Mapping[str, Any]) -> ValidationError | None:
    try:
        takes.read(parameters)
    except ValidationError as error:
        return error
    return None


class GenderField(OpenApiSerializerFieldExtension):
    target_class = "zapauth.buddy.fields.Gender"

    def map_serializer_field(self, auto_schema: Any, direction: str) -> Schema:
        words = {"type": "string", "pattern": "^([Mm]ale|MALE|[Ff]emale|FEMALE|[012])$"}
        return {"anyOf": [words, {"enum": [0, 1, 2]}]}


class DateField(OpenApiSerializerFieldExtension):
    target_class = "zapauth.buddy.fields.Date"

    def map_serializer_field(self, auto_schema: Any, direction: str) -> Schema:
        return {"type": "string", "format": "buddy-date"}


class LocationField(OpenApiSerializerFieldExtension):
    target_class = "zapauth.buddy.fields.Location"

    def map_serializer_field(self, auto_schema: Any, direction: str) -> Schema:
        latitude, longitude = r"-?(90|[1-8]?\d(\.\d+)?)", r"-?(180|(1[0-7]|[1-9])?\d(\.\d+)?)"
        return {"type": "string", "pattern": f"^{latitude}, ?{longitude}$"}


class PasswordField(OpenApiSerializerFieldExtension):
    target_class = "zapauth.buddy.fields.Password"

    def map_serializer_field(self, auto_schema: Any, direction: str) -> Schema:
        return {"type": "string", "format": "password", "minLength": 1}


class NewPasswordField(OpenApiSerializerFieldExtension):
    """A password field. The minimum length is in an `allOf`, because drf-spectacular overwrites a plain one with 1."""

    target_class = "zapauth.buddy.fields.NewPassword"

    def map_serializer_field(self, auto_schema: Any, direction: str) -> Schema:
        return {"type": "string", "format": "password", "allOf": [{"minLength": 8}]}


# Set here, so that the dialect itself does not import OpenAPI code.
BuddyViewSet.schema = BuddySchema()
