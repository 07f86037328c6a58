"""Keyset paging: a page begins right after a row of another page.

So a page costs the same at any depth, and no row is lost or shown twice while others add rows.
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db.models import Field, Model, Q, QuerySet

# The values of a row's order columns.
Place = tuple[Any, ...]


class NoSuchPlace(Exception):
    """A text that names no place in the list."""


@dataclass(frozen=True)
class Column:
    """A column of the order. It has no NULLs."""

    name: str
    is_descending: bool

    def __str__(self) -> str:
        return f"-{self.name}" if self.is_descending else self.name


@dataclass(frozen=True)
class Order:
    """A total order of a model's rows: its last column is the primary key."""

    model: type[Model]
    columns: tuple[Column, ...]

    @classmethod
    def of(cls, model: type[Model], ordering: Sequence[str]) -> Self:
        """Read an order in Django's words, such as `["-created_at", "-pk"]`."""
        columns = [Column(name.removeprefix("-"), name.startswith("-")) for name in ordering]
        names = [column.name for column in columns]
        key = next((at for at, name in enumerate(names) if name in ("pk", model._meta.pk.name)), None)
        if key is None:
            return cls(model, (*columns, Column("pk", is_descending=True)))
        return cls(model, tuple(columns[: key + 1]))

    @property
    def names(self) -> list[str]:
        return [column.name for column in self.columns]

    @property
    def nullable_names(self) -> list[str]:
        return [name for name in self.names if self._field(name).null]

    def reversed(self) -> "Order":
        return Order(self.model, tuple(Column(each.name, not each.is_descending) for each in self.columns))

    def sort(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        return rows.order_by(*map(str, self.columns))

    def keys(self, rows: QuerySet[Any]) -> QuerySet[Any, Place]:
        """Return the places of ``rows``, in this order. It reads no other column and joins no table for one."""
        return self.sort(rows).values_list(*self.names)

    def place_of(self, row: Any) -> Place:
        return tuple(getattr(row, name) for name in self.names)

    def after(self, place: Place) -> Q:
        """Return the condition on rows that come after ``place``. A place may be the beginning of one."""
        return self._beyond(place) & self._bound(place)

    def up_to(self, place: Place) -> Q:
        """Return the condition on rows that come before ``place`` or are there."""
        return (self.reversed()._beyond(place) | Q(**dict(zip(self.names, place, strict=False)))) & (
            self.reversed()._bound(place)
        )

    def _beyond(self, place: Place) -> Q:
        condition, same = Q(pk__in=()), Q()
        for column, value in zip(self.columns, place, strict=False):
            condition |= same & Q(**{f"{column.name}__{'lt' if column.is_descending else 'gt'}": value})
            same &= Q(**{column.name: value})
        return condition

    def _bound(self, place: Place) -> Q:
        """Return a condition that `_beyond` implies. With it PostgreSQL begins in the middle of the index."""
        first = self.columns[0]
        return Q(**{f"{first.name}__{'lte' if first.is_descending else 'gte'}": place[0]})

    # --- places in URLs ---

    def write(self, place: Place) -> str:
        """Return ``place`` as a text for a URL."""
        texts = [value.isoformat() if isinstance(value, datetime) else str(value) for value in place]
        return urlsafe_b64encode(json.dumps(texts).encode()).decode().rstrip("=")

    def read(self, text: str) -> Place:
        """Return the place that `write` has written. Raises: NoSuchPlace."""
        try:
            texts = json.loads(urlsafe_b64decode(text.encode() + b"=" * (-len(text) % 4)))
            if not isinstance(texts, list) or len(texts) != len(self.columns):
                raise NoSuchPlace
            return tuple(self._value(name, each) for name, each in zip(self.names, texts, strict=True))
        except (ValueError, OverflowError, ValidationError, RecursionError) as error:
            raise NoSuchPlace from error

    def _value(self, name: str, text: Any) -> Any:
        if not isinstance(text, str) or not text.isprintable():
            raise NoSuchPlace
        value = self._field(name).to_python(text)
        return value.astimezone(UTC) if isinstance(value, datetime) else value

    def _field(self, name: str) -> "Field[Any, Any]":
        field = self.model._meta.pk if name == "pk" else self.model._meta.get_field(name)
        if not isinstance(field, Field):
            raise FieldDoesNotExist(name)
        return field


def in_batches(rows: QuerySet[Any], order: Order, *, size: int) -> Iterator[Any]:
    """Yield all ``rows`` in that order, and read ``size`` of them at a time."""
    found = order.sort(rows)
    batch = list(found[:size])
    while batch:
        yield from batch
        batch = list(found.filter(order.after(order.place_of(batch[-1])))[:size]) if len(batch) == size else []
