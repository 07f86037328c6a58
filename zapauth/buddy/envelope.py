"""The shape of every Buddy answer. The contents of `result` are in `zapauth.buddy.answers`."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from django.http import HttpRequest, HttpResponse

from zapauth.dialect import json_response
from zapauth.shapes import TEXT, UUID, Field, Shape, constant

CONTENT_TYPE = "application/json"  # exactly this text: one client compares it


class Result(NamedTuple):
    """The result of a call that succeeded."""

    status: int
    result: Any
    request_id: str


class Problem(NamedTuple):
    """The error of a call: its status, name, number and message."""

    status: int
    error: str
    number: int
    message: str
    request_id: str


SUCCESS = Shape[Result](
    "",
    {
        "status": Field({"type": "integer"}, lambda made: made.status),
        "result": Field({}, lambda made: made.result),
        "request_id": Field(UUID, lambda made: made.request_id),
        "success": Field(constant(True), lambda _: True),
    },
)
ERROR = Shape[Problem](
    "BuddyError",
    {
        "status": Field({"type": "integer", "description": "The HTTP status."}, lambda problem: problem.status),
        "error": Field(TEXT, lambda problem: problem.error),
        "errorNumber": Field(
            {"type": "integer", "description": "Clients switch on this number."}, lambda problem: problem.number
        ),
        "message": Field(TEXT, lambda problem: problem.message),
        "request_id": Field(UUID, lambda problem: problem.request_id),
        "success": Field(constant(False), lambda _: False),
    },
)


def success(request: HttpRequest, result: Any, *, status: int = 200) -> HttpResponse:
    return json_response(SUCCESS(Result(status, result, _id(request))), status=status, content_type=CONTENT_TYPE)


def failure(
    request: HttpRequest,
    *,
    status: int,
    error: str,
    number: int,
    message: str,
    headers: Mapping[str, str] | None = None,
) -> HttpResponse:
    body = ERROR(Problem(status, error, number, message, _id(request)))
    return json_response(body, status=status, content_type=CONTENT_TYPE, headers=headers)


def _id(request: HttpRequest) -> str:
    request_id: str = request.request_id  # type: ignore[attr-defined]
    return request_id
