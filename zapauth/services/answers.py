"""The shape of an error answer to a service: the one of OAuth 2.0 (RFC 6749 §5.2)."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from django.http import HttpResponse

from zapauth.dialect import json_response
from zapauth.shapes import TEXT, Field, Shape

CONTENT_TYPE = "application/json"


class Problem(NamedTuple):
    """The error of a request: a word for programs, and a sentence for people."""

    error: str
    description: str


ERROR = Shape[Problem](
    "ServiceError",
    {
        "error": Field({"type": "string", "pattern": "^[a-z_]+$"}, lambda problem: problem.error),
        "error_description": Field(TEXT, lambda problem: problem.description),
    },
)


def answer(body: Mapping[str, Any], *, status: int = 200, headers: Mapping[str, str] | None = None) -> HttpResponse:
    """Make an answer with a JSON object. No cache may store it."""
    return json_response(body, status=status, content_type=CONTENT_TYPE, headers=headers)


def text(body: str, *, content_type: str) -> HttpResponse:
    """Make an answer of another type. No cache may store it."""
    return HttpResponse(body, content_type=content_type, headers={"Cache-Control": "no-store"})


def failure(*, status: int, error: str, description: str, headers: Mapping[str, str] | None = None) -> HttpResponse:
    """Make an error answer."""
    return answer(ERROR(Problem(error, description)), status=status, headers=headers)
