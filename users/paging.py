"""Keyset pagination of users: the next page starts where this page ended, even if users were added meanwhile."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from django.db.models import Q, QuerySet

from users.models import User


@dataclass(frozen=True)
class Position:
    """The place of a user in the list. The order is: newest first, then by id, descending."""

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
    """Return at most ``limit`` users: from the start, right after ``after``, or right before ``before``."""
    if before is not None:
        newer = Q(created_at=before.created_at, pk__gt=before.user_id) | Q(created_at__gt=before.created_at)
        found = list(users.filter(newer).order_by("created_at", "pk")[: limit + 1])
        return Page(found[:limit][::-1], has_previous=len(found) > limit, has_next=True)
    if after is not None:
        older = Q(created_at=after.created_at, pk__lt=after.user_id) | Q(created_at__lt=after.created_at)
        users = users.filter(older)
    found = list(users.order_by("-created_at", "-pk")[: limit + 1])
    return Page(found[:limit], has_previous=after is not None, has_next=len(found) > limit)
