"""What a dialect says of its routes for OpenAPI, as far as the code does not say it; and the words for it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rest_framework.serializers import Serializer

Schema = dict[str, Any]

# Examples. The first is of the second seed document.
REQUEST_ID = "9c1be948-e415-4917-8a54-76b07880b42b"
OBJECT_ID = "63fce0e18b8dd4e163d06d5c"
TOKEN = "eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9.eyJzaWQiOiIwMTkwYjVlYSJ9.c2lnbmF0dXJl"
PASSWORD = "correct-horse-1"

TOKEN_SCHEMA: Schema = {"type": "string", "pattern": r"^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$"}
OBJECT_ID_SCHEMA: Schema = {"type": "string", "pattern": "^[0-9a-f]{24}$"}


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
    takes: type[Serializer[Any]] | None = None
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


def closed(properties: Mapping[str, Any], *, optional: Iterable[str] = ()) -> Schema:
    """An object of these properties and no other; all of them are there but for the ``optional``."""
    schema: Schema = {"type": "object", "properties": dict(properties)}
    if required := [name for name in properties if name not in set(optional)]:
        schema["required"] = required
    return schema | {"additionalProperties": False}


def list_of(item: Schema) -> Schema:
    return {"type": "array", "items": item}


def ref(name: str, *, kind: str = "schemas") -> Schema:
    """A reference to a component."""
    return {"$ref": f"#/components/{kind}/{name}"}


def constant(value: str | bool) -> Schema:
    return {"type": "boolean" if isinstance(value, bool) else "string", "const": value}
