"""The expressions by which staff find people: the text of a user, its trigrams, and the digits of the phone number.

The migration `0006_find` makes the SQL functions. They need no extension of PostgreSQL, so no `pg_trgm`. Both indexes
are on columns that a log-in leaves alone, so a log-in costs as much as without them.
"""

from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db.models import Func, Index, Q, TextField, Value
from django.db.models.functions import Collate, Reverse

# The length of the shortest fragment that the index finds anywhere in a text.
SHORTEST_FRAGMENT = 3


class Plain(Func):
    """A text in lower case and without accents: `Élise Łuk` becomes `elise luk`."""

    function = "users_plain"
    arity = 1
    output_field = TextField()


class SearchText(Func):
    """The plain names, user name and email of a user. A line feed is before and after each of them."""

    function = "users_search_text"
    output_field = TextField()

    def __init__(self, *columns: Any, **extra: Any) -> None:
        super().__init__(*(columns or ("name", "first_name", "last_name", "username", "email")), **extra)


class Trigrams(Func):
    """All fragments of three characters of a text, as an array."""

    function = "users_trigrams"
    arity = 1
    output_field = ArrayField(TextField())


def phone_backwards() -> Collate:
    """The digits of a user's phone number, the last one first. The number may be stored with spaces and brackets.

    A number is known by its end: `00990…`, `+99 0…` and `0…` end in the same digits. With the collation C, PostgreSQL
    uses the index for the beginning of a text.
    """
    digits = Func("phone_number", Value("[^0-9]"), Value(""), Value("g"), function="regexp_replace")
    return Collate(Reverse(digits, output_field=TextField()), "C")


def search_indexes() -> list[Index]:
    return [
        GinIndex(Trigrams(SearchText()), condition=Q(deleted_at=None), name="user_search_text"),
        Index(phone_backwards(), condition=Q(deleted_at=None), name="user_phone_end"),
    ]
