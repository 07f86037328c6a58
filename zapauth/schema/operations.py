"""What a dialect says of its routes for OpenAPI, as far as the code does not say it; and the words for it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rest_framework.serializers import Serializer

from zapauth.shapes import Schema

# Examples. The first is of the second seed document.
REQUEST_ID = "9c1be948-e415-4917-8a54-76b07880b42b"
OBJECT_ID = "63fce0e18b8dd4e163d06d5c"
TOKEN = "eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9.eyJzaWQiOiIwMTkwYjVlYSJ9.c2lnbmF0dXJl"
PASSWORD = "correct-horse-1"


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One method of one path.

    Args:
        takes: its parameters, in the body or, of a GET, in the query; ``given`` is an example of them.
        answers: what stands in the envelope; ``example`` is one of it.
        raises: the errors that are this operation's own.
        links: what can be called next; ``links_after`` errors, by status.
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
    raises: Sequence[Exception] = ()
    links: Mapping[str, Schema] = field(default_factory=dict)
    links_after: Mapping[int, Mapping[str, Schema]] = field(default_factory=dict)


def link(operation: str, *, body: Mapping[str, str] | None = None, **parameters: str) -> Schema:
    """What can be called next, with which of what is known by now (OpenAPI's runtime expressions)."""
    made: Schema = {"operationId": operation}
    return made | ({"parameters": parameters} if parameters else {}) | ({"requestBody": dict(body)} if body else {})
