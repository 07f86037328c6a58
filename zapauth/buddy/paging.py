"""Buddy's pages of users, and their paging tokens. A token is signed, and contains neither blanks nor `%`."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self

from django.core.signing import BadSignature, dumps, loads
from django.db.models import QuerySet
from rest_framework.serializers import ValidationError

from users.models import User
from users.paging import Page, Position, page_of

PER_PAGE = 20
MOST_PER_PAGE = 100
_SALT = "zapauth.buddy.paging"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class PagingToken:
    """Identifies a page of ``limit`` users: the "first" one, or the one "after" or "before" a position."""

    direction: str
    limit: int
    position: Position | None = None

    def __str__(self) -> str:
        place = None
        if self.position is not None:
            place = [(self.position.created_at - _EPOCH) // timedelta(microseconds=1), self.position.user_id]
        return dumps([self.direction, self.limit, place], salt=_SALT)

    @classmethod
    def read(cls, text: str) -> Self:
        """Verify and read a paging token. Raises: ValidationError."""
        # Two clients make up their own token for the first page.
        if made_up := re.fullmatch(r"(\d{1,9});0", text):
            return cls("first", min(max(int(made_up[1]), 1), MOST_PER_PAGE))
        try:
            direction, limit, place = loads(text, salt=_SALT)
        except BadSignature:
            raise ValidationError({"pagingToken": ["This paging token is none of ours."]}, code="invalid") from None
        position = Position(_EPOCH + timedelta(microseconds=place[0]), place[1]) if place else None
        return cls(direction, limit, position)


@dataclass(frozen=True)
class UserPage:
    """A page of users with its token. It also has the tokens of the previous and the next page, if they exist."""

    users: Sequence[User]
    current: PagingToken
    next: PagingToken | None
    previous: PagingToken | None


def page_at(users: QuerySet[User], token: PagingToken) -> UserPage:
    """Return the page of ``users`` that ``token`` identifies."""
    where = {} if token.position is None else {token.direction: token.position}
    page: Page = page_of(users, limit=token.limit, **where)
    after = before = None
    if page.has_next and page.users:
        after = PagingToken("after", token.limit, Position.of(page.users[-1]))
    if page.has_previous and page.users:
        before = PagingToken("before", token.limit, Position.of(page.users[0]))
    return UserPage(page.users, token, after, before)
