"""One declaration of an object makes both its JSON and its schema."""

from typing import NamedTuple

from zapauth.shapes import TEXT, Field, Shape, fields_of


class Person(NamedTuple):
    name: str
    email: str | None = None
    is_staff: bool = False


class Pair(NamedTuple):
    first: Person
    second: Person


PERSON = Shape[Person](
    "Person",
    {
        "email": Field(TEXT, lambda person: person.email, is_optional=True),
        "name": Field(TEXT, lambda person: person.name),
        "staff": Field({"type": "boolean"}, lambda person: person.is_staff, is_optional=True),
    },
)


def test_the_fields_keep_their_order_and_an_optional_one_is_left_out_only_without_a_value():
    assert list(PERSON(Person("Ann", "ann@example.org")).items()) == [
        *(("email", "ann@example.org"), ("name", "Ann"), ("staff", False)),
    ]
    assert PERSON(Person("", None)) == PERSON(Person("", "")) == {"name": "", "staff": False}


def test_the_schema_names_every_field_and_requires_all_but_the_optional_ones():
    assert PERSON.ref == {"$ref": "#/components/schemas/Person"}
    assert PERSON.schema == {
        "type": "object",
        "properties": {"email": TEXT, "name": TEXT, "staff": {"type": "boolean"}},
        "required": ["name"],
        "additionalProperties": False,
    }
    assert PERSON.schema_with(name={"const": "Ann"})["properties"]["name"] == {"const": "Ann"}


def test_a_shape_takes_fields_of_another_one_for_a_part_of_its_subject():
    second = Shape[Pair]("Second", fields_of(PERSON, lambda pair: pair.second, only=["name", "email"]))
    pair = Pair(Person("Ann"), Person("Bob"))
    assert second(pair) == {"name": "Bob"}
    assert second(Pair(Person("Ann"), Person("Bob", "bob@example.org"))) == {"name": "Bob", "email": "bob@example.org"}
    assert second.schema["required"] == ["name"]
