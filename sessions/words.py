"""A selection in the words of somebody who reads it: names for ids, "everyone" for no filter."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from sessions.models import EndReason, Session
from sessions.selection import Selection
from users.models import App, User

MOST_NAMED = 3


def in_words(selection: Selection) -> list[tuple[str, str]]:
    """Each filter, as what it is about and what is wanted of it."""
    return list(_words(selection))


def _words(selection: Selection) -> Iterator[tuple[str, str]]:
    if selection.everyone:
        yield "Sessions", "everyone's, in all apps"
    if selection.sessions is not None:
        named = Session.objects.filter(pk__in=selection.sessions[:MOST_NAMED]).select_related("user", "device")
        names = {str(session.pk): _whose(session) for session in named}
        yield (
            "Session" if len(selection.sessions) == 1 else "Sessions",
            _several([names.get(pk, pk) for pk in selection.sessions], "sessions"),
        )
    if selection.users is not None:
        names = dict(User.objects.filter(pk__in=selection.users[:MOST_NAMED]).values_list("pk", "username"))
        yield "User", _several([names.get(pk, pk) for pk in selection.users], "users")
    if selection.apps is not None:
        names = dict(App.objects.filter(pk__in=selection.apps).values_list("pk", "name"))
        yield "App", _several([names.get(pk, pk) for pk in selection.apps], "apps")
    for label, values in (
        ("Platform", selection.platforms and [platform or "unknown" for platform in selection.platforms]),
        ("Device token", selection.device_tokens and [f"{digest[:12]}…" for digest in selection.device_tokens]),
        ("Address", selection.networks),
        ("Role", selection.roles),
        ("Ended because", selection.reasons and [EndReason(reason).label for reason in selection.reasons]),
    ):
        if values:
            yield label, _several(values, f"{label.lower()}s")
    for label, after, before in (
        ("Opened", selection.created_after, selection.created_before),
        ("Last seen", selection.seen_after, selection.seen_before),
    ):
        if after or before:
            yield label, " and ".join(_bounds(after, before))
    if selection.idle_for is not None:
        yield "Not used for", str(selection.idle_for)
    if selection.search is not None:
        yield "Search", f"“{selection.search}”"
    if selection.record is not None:
        yield "Record of endings", selection.record
    if selection.spare_superusers:
        yield "Left out", "superusers"


def _whose(session: Session) -> str:
    """Such as "ann's on iPhone"."""
    whose = f"{session.user.username}'s" if session.user else "an app-level one"
    return f"{whose} on {session.device or session.platform or 'an unknown device'}"


def _several(values: Iterable[str], what: str) -> str:
    values = list(values)
    return ", ".join(values) if len(values) <= MOST_NAMED else f"{len(values):,} {what}"


def _bounds(after: datetime | None, before: datetime | None) -> Iterator[str]:
    if after:
        yield f"since {after:%Y-%m-%d %H:%M} UTC"
    if before:
        yield f"before {before:%Y-%m-%d %H:%M} UTC"
