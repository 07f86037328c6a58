"""Find people for staff: by a part of their names, user name or email, or by a phone number however it is written.

It is for the admin only. Log-ins use `users.identities`, which compares whole values.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial, reduce
from operator import or_
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.lookups import DataContains, Overlap
from django.db import OperationalError
from django.db.models import Q, TextField, Value
from django.db.models.functions import StrIndex
from django.db.models.lookups import GreaterThan, In, StartsWith

from users import bounded_look
from users.models import User
from users.models.search_text import SHORTEST_FRAGMENT, Plain, SearchText, Trigrams, phone_backwards
from users.phone_numbers import phone_forms
from users.plain_text import plain

MOST_PEOPLE = 50
LONGEST_TEXT = 320  # as long as an email can be
MOST_TERMS = 12
# A statement of a search may take this long.
SEARCH_FOR_MS = 1000
# If more users than this match, their ids are not read.
MOST_BY_ID = 1000
# A word begins after one of these.
_BEFORE_A_WORD = "\n .@-_+'("
_NOBODY = Q(pk__in=())


@dataclass
class Found:
    """The people that a search has found, the best ones first. ``certain`` is the one that is meant, if that is clear.

    ``has_more``: more people match. ``took_too_long``: a statement was cancelled, so people may be missing.
    """

    people: list[User] = field(default_factory=list)
    certain: User | None = None
    has_more: bool = False
    took_too_long: bool = False


def terms_of(text: str) -> list[str]:
    """Split ``text`` into the parts that must all be found. Empty if it can't be anybody's name."""
    if len(text) > LONGEST_TEXT or "\0" in text:
        return []
    terms = [term for term in re.split(r"[\s,;]+", text) if plain(term)]
    return [*dict.fromkeys(terms)] if len(terms) <= MOST_TERMS else []


def called(text: str) -> Q:
    """Return the condition on users who have all terms of ``text`` in their names, user name or email, or that number.

    Deleted users are left out. Wildcards have no meaning.
    """
    if not terms_of(text):
        return _NOBODY
    return Q(_identity(text) | _fragments(text) | _phone_whole(text) | _phone_ending(text), deleted_at=None)


def ids_called(text: str) -> list[str] | None:
    """Return the ids of the users of `called`, at most 1,000. None if there are more, or the search takes too long.

    With ids instead of the condition PostgreSQL knows how few rows match.
    """
    condition = called(text)
    if condition == _NOBODY:
        return []
    try:
        with at_most(SEARCH_FOR_MS):
            found = list(User.objects.filter(condition).values_list("pk", flat=True)[: MOST_BY_ID + 1])
    except SearchTooLong:
        return None
    return found if len(found) <= MOST_BY_ID else None


def find_people(text: str) -> Found:
    """Find at most 50 people: those who are called exactly so, then those whose name begins so, then the others."""
    found = Found()
    phrase = " ".join(terms_of(text))
    if not phrase:
        return found
    try:
        with at_most(SEARCH_FOR_MS):
            same = _look(found, _identity(text) | _phone_whole(text), key=partial(_rank, text))
            conditions = [
                _contains(f"\n{phrase}\n"),
                _contains(f"\n{phrase}"),
                _contains(f" {phrase}") | _phone_ending(text),
                _fragments(text),
            ]
            for condition in conditions if len(plain(phrase)) > 1 else conditions[:1]:
                if not found.has_more:
                    _look(found, condition, key=_by_name)
            found.certain = _certain(found, same, text, phrase)
    except SearchTooLong:
        found.took_too_long = True
    return found


class SearchTooLong(Exception):
    """A statement of a search was cancelled, because it took too long."""


@contextmanager
def at_most(milliseconds: int) -> Iterator[None]:
    """Cancel a statement of the block that takes longer than this. Raises: SearchTooLong."""
    try:
        with bounded_look.at_most(milliseconds):
            yield
    except OperationalError as error:
        if bounded_look.is_timeout(error):
            raise SearchTooLong from error
        raise


def _look(found: Found, condition: Q, *, key: Callable[[User], Any]) -> list[User]:
    """Add the people of ``condition`` to ``found``, in the order of ``key``. Returns the people that were added."""
    known = [user.pk for user in found.people]
    room = MOST_PEOPLE - len(known)
    new = list(User.objects.filter(condition, deleted_at=None).exclude(pk__in=known)[: room + 1])
    found.has_more = len(new) > room
    new = sorted(new[:room], key=key)
    found.people += new
    return new


def _certain(found: Found, same: list[User], text: str, phrase: str) -> User | None:
    """Return the one who is meant. A user name is no proof of that while somebody else has it as a name."""
    if len(found.people) == 1 and not found.has_more:
        return found.people[0]
    if not same or (len(same) > 1 and phone_forms(text) is not None):
        return None
    others = User.objects.filter(_word_of_name(phrase), deleted_at=None).exclude(pk__in=[user.pk for user in same])
    return None if others.exists() else same[0]


def _rank(text: str, user: User) -> int:
    """Return the place of a user who has ``text`` as an identity. The order is that of `find_user_by_identity`."""
    if user.email_verified and (user.email or "").upper() == text.upper():
        return 0
    return 1 if user.username.upper() == User.normalize_username(text).upper() else 2


def _by_name(user: User) -> tuple[str, str]:
    return (user.get_full_name().casefold(), user.username)


def _identity(text: str) -> Q:
    return Q(username__iexact=User.normalize_username(text)) | Q(email__iexact=text)


def _fragments(text: str) -> Q:
    """Return the condition that all terms are in the user's text; short ones at the beginning of a word."""
    terms = terms_of(text)
    if all(len(plain(term)) == 1 for term in terms):  # no index finds it
        return _NOBODY
    return Q(*(_contains(term) for term in terms))


def _contains(fragment: str) -> Q:
    """Return the condition that a user's text contains ``fragment``. Two characters must begin a word."""
    here = Plain(Value(fragment))
    if len(plain(fragment)) >= SHORTEST_FRAGMENT:
        wanted = DataContains(Trigrams(SearchText()), Trigrams(here))
        return Q(wanted, GreaterThan(StrIndex(SearchText(), here), 0))
    if len(plain(fragment)) == SHORTEST_FRAGMENT - 1:
        starts = [before + plain(fragment) for before in _BEFORE_A_WORD]
        return Q(Overlap(Trigrams(SearchText()), Value(starts, output_field=ArrayField(TextField()))))
    return Q(GreaterThan(StrIndex(SearchText(), here), 0))


def _word_of_name(phrase: str) -> Q:
    """Return the condition that ``phrase`` is a user's name, or the first or the last word of it."""
    return reduce(or_, (_contains(word) for word in (f"\n{phrase}\n", f"\n{phrase} ", f" {phrase}\n")))


def _phone_whole(text: str) -> Q:
    forms = phone_forms(text)
    if forms is None:
        return _NOBODY
    return Q(In(phone_backwards(), [Value(form[::-1], output_field=TextField()) for form in sorted(forms.whole)]))


def _phone_ending(text: str) -> Q:
    forms = phone_forms(text)
    return _NOBODY if forms is None else Q(StartsWith(phone_backwards(), forms.ending[::-1]))
