"""Declares each JSON object of an answer once: its fields, how each is read, and its JSON Schema.

Both the answers and their description in OpenAPI come from these shapes.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T")
U = TypeVar("U")
Schema = dict[str, Any]


@dataclass(frozen=True)
class Field(Generic[T]):
    """A field of an object, and how to read its value.

    An optional field is left out if its value is None or an empty text.
    """

    schema: Schema
    read: Callable[[T], Any]
    is_optional: bool = False


class Shape(Generic[T]):
    """Makes a JSON object from a Python object: ``USER(user)``. The fields are a wire format: add, never rename.

    ``name`` is the name of its component in OpenAPI. A shape that is only a part of other shapes has an empty name.
    """

    def __init__(self, name: str, fields: Mapping[str, Field[T]], *, description: str = "") -> None:
        self.name = name
        self.fields = fields
        self.description = description
        self._reads = [(name, field.read) for name, field in fields.items()]
        self._optional = [name for name, field in fields.items() if field.is_optional]

    def __call__(self, subject: T) -> dict[str, Any]:
        made = {name: read(subject) for name, read in self._reads}
        for name in self._optional:
            if made[name] is None or made[name] == "":
                del made[name]
        return made

    @property
    def schema(self) -> Schema:
        """The JSON Schema of the object."""
        described = {"description": self.description} if self.description else {}
        return self.schema_with() | described

    def schema_with(self, **narrower: Schema) -> Schema:
        """The JSON Schema of the object, with ``narrower`` schemas for some fields."""
        return closed({name: field.schema for name, field in self.fields.items()} | narrower, optional=self._optional)

    @property
    def ref(self) -> Schema:
        """A reference to the component of this name in the OpenAPI document."""
        return ref(self.name)


def fields_of(shape: Shape[T], part: Callable[[U], T], *, only: Iterable[str] | None = None) -> dict[str, Field[U]]:
    """Return the fields of ``shape`` for the shape of a larger object.

    ``part`` gets the smaller object from the larger one. ``only`` picks some of the fields.
    """

    def of_part(field: Field[T]) -> Field[U]:
        return Field(field.schema, lambda whole: field.read(part(whole)), field.is_optional)

    return {name: of_part(shape.fields[name]) for name in (shape.fields if only is None else only)}


# --- JSON Schema --------------------------------------------------------------------------------

TEXT: Schema = {"type": "string"}
BOOLEAN: Schema = {"type": "boolean"}
UUID: Schema = {"type": "string", "format": "uuid"}
OBJECT_ID: Schema = {"type": "string", "pattern": "^[0-9a-f]{24}$"}
TOKEN: Schema = {"type": "string", "pattern": r"^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$"}


def closed(properties: Mapping[str, Any], *, optional: Iterable[str] = ()) -> Schema:
    """A schema of an object with exactly these properties. All are required, except the ``optional`` ones."""
    schema: Schema = {"type": "object", "properties": dict(properties)}
    if required := [name for name in properties if name not in set(optional)]:
        schema["required"] = required
    return schema | {"additionalProperties": False}


def list_of(item: Schema) -> Schema:
    return {"type": "array", "items": item}


def constant(value: str | bool | float) -> Schema:
    kind = "string" if isinstance(value, str) else "boolean" if isinstance(value, bool) else "number"
    return {"type": kind, "const": value}


def ref(name: str, *, kind: str = "schemas") -> Schema:
    """A reference to a component of the OpenAPI document."""
    return {"$ref": f"#/components/{kind}/{name}"}
