"""The parts of an operation's description in OpenAPI that don't come from the code."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rest_framework.serializers import Serializer

from zapauth.shapes import Schema

# Example ids. The first one is from the documentation of Buddy's logout.
REQUEST_ID = "9c1be948-e415-4917-8a54-76b07880b42b"
OBJECT_ID = "63fce0e18b8dd4e163d06d5c"
TOKEN = "eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9.eyJzaWQiOiIwMTkwYjVlYSJ9.c2lnbmF0dXJl"
PASSWORD = "correct-horse-1"


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One method of one path.

    Args:
        takes: the parameters, in the body or in the query of a GET. ``given`` is an example of them.
        answers: the schema of the contents of the envelope. ``example`` is an example of them.
        beside: schemas of fields beside the contents. ``example_beside`` is an example of them.
        raises: the errors that only this operation and a few others raise.
        also: other media types of the success, which a request asks for by `Accept`.
        headers: headers of the success that are not those of other answers.
        links: the calls that can follow. ``links_after``: the calls that can follow an error, by status.
    """

    id: str
    tag: str
    summary: str
    description: str = ""
    takes: type[Serializer[Any]] | None = None
    given: Mapping[str, Any] = field(default_factory=dict)
    status: int = 200
    answers: Schema
    example: Any
    beside: Mapping[str, Schema] = field(default_factory=dict)
    example_beside: Mapping[str, Any] = field(default_factory=dict)
    also: Mapping[str, Schema] = field(default_factory=dict)
    headers: Mapping[str, Schema] = field(default_factory=dict)
    raises: Sequence[Exception] = ()
    links: Mapping[str, Schema] = field(default_factory=dict)
    links_after: Mapping[int, Mapping[str, Schema]] = field(default_factory=dict)


def link(operation: str, *, body: Mapping[str, str] | None = None, **parameters: str) -> Schema:
    """A call that can follow, and the values that it takes from this one (runtime expressions of OpenAPI)."""
    made: Schema = {"operationId": operation}
    return made | ({"parameters": parameters} if parameters else {}) | ({"requestBody": dict(body)} if body else {})
