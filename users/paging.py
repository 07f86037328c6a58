"""Pages of users by position, not by number: the next one starts where this one ended, whatever came between."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from django.db.models import Q, QuerySet

from users.models import User


@dataclass(frozen=True)
class Position:
    """A user's place in the order: newest first, then by id."""

    created_at: datetime
    user_id: str

    @classmethod
    def of(cls, user: User) -> Self:
        return cls(user.created_at, user.pk)


@dataclass(frozen=True)
class Page:
    users: list[User]
    has_previous: bool
    has_next: bool


def page_of(
    users: QuerySet[User], *, limit: int, after: Position | None = None, before: Position | None = None
) -> Page:
    """At most ``limit`` of ``users``: the first ones, those that follow ``after``, or those right before ``before``."""
    if before is not None:
        newer = Q(created_at=before.created_at, pk__gt=before.user_id) | Q(created_at__gt=before.created_at)
        found = list(users.filter(newer).order_by("created_at", "pk")[: limit + 1])
        return Page(found[:limit][::-1], has_previous=len(found) > limit, has_next=True)
    if after is not None:
        older = Q(created_at=after.created_at, pk__lt=after.user_id) | Q(created_at__lt=after.created_at)
        users = users.filter(older)
    found = list(users.order_by("-created_at", "-pk")[: limit + 1])
    return Page(found[:limit], has_previous=after is not None, has_next=len(found) > limit)
