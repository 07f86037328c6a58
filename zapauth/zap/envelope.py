"""The shape of every ZAP answer. The contents of `data` are in `zapauth.zap.answers`."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from django.http import HttpResponse

from zapauth.dialect import json_response
from zapauth.shapes import TEXT, Field, Shape, constant, list_of

CONTENT_TYPE = "application/json; charset=utf-8"


class Problem(NamedTuple):
    """The error of a request: its status, code and message."""

    code: str
    message: str
    errors: Mapping[str, Sequence[str]] | None = None


SUCCESS = Shape[Any](
    "",
    {
        "success": Field(constant(True), lambda _: True),
        "data": Field({}, lambda data: data),
    },
)
ERROR = Shape[Problem](
    "ZapError",
    {
        "success": Field(constant(False), lambda _: False),
        "message": Field(TEXT, lambda problem: problem.message),
        "code": Field({"type": "string", "pattern": "^[a-z_]+$"}, lambda problem: problem.code),
    },
)
_ERRORS = {
    "type": "object",
    "description": "What is wrong, by field.",
    "minProperties": 1,
    "additionalProperties": list_of(TEXT) | {"minItems": 1},
}
FIELD_ERROR = Shape[Problem](
    "ZapFieldError", {**ERROR.fields, "errors": Field(_ERRORS, lambda problem: problem.errors)}
)


def success(data: Any, *, status: int = 200, **beside: Any) -> HttpResponse:
    """Make the answer. ``beside`` are fields beside `data`, where ZAP's documentation has a plain text as `data`."""
    return json_response(SUCCESS(data) | beside, status=status, content_type=CONTENT_TYPE)


def failure(
    *,
    status: int,
    code: str,
    message: str,
    errors: Mapping[str, Sequence[str]] | None = None,
    headers: Mapping[str, str] | None = None,
) -> HttpResponse:
    """Make an error answer. ``errors`` has the error texts by field, if some fields are wrong."""
    body = (FIELD_ERROR if errors else ERROR)(Problem(code, message, errors))
    return json_response(body, status=status, content_type=CONTENT_TYPE, headers=headers)
