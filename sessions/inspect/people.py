"""The people that a search of the admin has found, with their live sessions; the people at an address."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Max, Q

from sessions.models import Session
from users.finding import MOST_PEOPLE, SEARCH_FOR_MS, SearchTooLong, at_most
from users.models import User

# So many sessions of an address are read. For a larger network, staff must narrow the search.
MOST_SESSIONS = 10_000


@dataclass(frozen=True)
class Person:
    """A user, and what the list of found people says about their sessions.

    ``live`` and ``seen_at`` are None if the reader may not see sessions. ``here`` is the number of their sessions that
    the search has found, live and ended ones. It is None if the search was not for sessions.
    """

    user: User
    live: int | None = None
    seen_at: datetime | None = None
    here: int | None = None


@dataclass(frozen=True)
class AtPlace:
    """The people whose sessions match, those seen last first. ``sessions`` counts at most 10,001 sessions.

    ``without_user`` is the number of app-level sessions among them.
    """

    people: list[Person]
    sessions: int = 0
    without_user: int = 0
    has_more: bool = False
    took_too_long: bool = False

    @property
    def certain(self) -> User | None:
        """The only user who has sessions there."""
        is_alone = len(self.people) == 1 and not self.without_user and self.sessions <= MOST_SESSIONS
        return self.people[0].user if is_alone else None


def with_sessions(users: Iterable[User], *, here: dict[str, int] | None = None) -> list[Person]:
    """Add the number of live sessions, and when the user was last seen, to each of ``users``. Keeps their order."""
    users = list(users)
    live = Session.objects.filter(user__in=[user.pk for user in users], ended_at=None)
    try:
        with at_most(SEARCH_FOR_MS):
            counted = live.order_by().values_list("user").annotate(Count("pk"), Max("last_seen_at"))
            facts = {pk: (count, seen) for pk, count, seen in counted}
    except SearchTooLong:
        facts = None
    return [
        Person(
            user,
            live=facts.get(user.pk, (0,))[0] if facts is not None else None,
            seen_at=facts[user.pk][1] if facts and user.pk in facts else user.last_login,
            here=(here or {}).get(user.pk),
        )
        for user in users
    ]


def people_at(condition: Q) -> AtPlace:
    """Group the sessions of ``condition`` (an address, a network, a device or a device token) by user."""
    sessions = Session.objects.filter(condition).order_by().values_list("user", "last_seen_at")
    try:
        with at_most(SEARCH_FOR_MS):
            rows = list(sessions[: MOST_SESSIONS + 1])
    except SearchTooLong:
        return AtPlace([], took_too_long=True)
    here: dict[str, int] = {}
    for user_id, _ in sorted(rows, key=lambda row: row[1], reverse=True):
        if user_id is not None:
            here[user_id] = here.get(user_id, 0) + 1
    shown = list(here)[:MOST_PEOPLE]
    users = User.objects.in_bulk(shown)
    return AtPlace(
        people=with_sessions((users[pk] for pk in shown), here=here),
        sessions=len(rows),
        without_user=len(rows) - sum(here.values()),
        has_more=len(here) > MOST_PEOPLE,
    )
