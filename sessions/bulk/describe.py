"""A selection in the words of somebody who reads it: names for ids, "everyone" for no filter."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from sessions.bulk.selection import Selection
from sessions.models import EndReason, Session
from users.models import App, User

MOST_NAMED = 3
# These read on into what is wanted: "not used for 30 days".
_PHRASES = {"Opened", "Last seen", "Not used for"}
_UNITS = {"day": 86_400, "hour": 3_600, "minute": 60, "second": 1}


def in_one_line(selection: Selection) -> str:
    """Such as "app: ZAP; not used for 30 days"."""
    return "; ".join(
        f"{about.lower()}{'' if about in _PHRASES else ':'} {wanted}" for about, wanted in _words(selection)
    )


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
            _several([names.get(pk, pk) for pk in selection.sessions]),
        )
    if selection.users is not None:
        names = dict(User.objects.filter(pk__in=selection.users[:MOST_NAMED]).values_list("pk", "username"))
        yield "User", _several([names.get(pk, pk) for pk in selection.users])
    if selection.apps is not None:
        names = dict(App.objects.filter(pk__in=selection.apps).values_list("pk", "name"))
        yield "App", _several([names.get(pk, pk) for pk in selection.apps])
    if selection.device_tokens:
        # The token itself is a secret, and is not kept.
        digests = _several([f"{digest[:12]}…" for digest in selection.device_tokens])
        yield "Device token", f"{len(selection.device_tokens):,} (SHA-256 digest {digests})"
    for label, values in (
        ("Platform", selection.platforms and [platform or "unknown" for platform in selection.platforms]),
        ("Address", selection.networks),
        ("Role", selection.roles),
        ("Ended because", selection.reasons and [EndReason(reason).label for reason in selection.reasons]),
    ):
        if values:
            yield label, _several(values)
    for label, after, before in (
        ("Opened", selection.created_after, selection.created_before),
        ("Last seen", selection.seen_after, selection.seen_before),
    ):
        if after or before:
            yield label, " and ".join(_bounds(after, before))
    if selection.idle_for is not None:
        yield "Not used for", _duration(selection.idle_for)
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


def _several(values: Sequence[str]) -> str:
    """The first few, and how many more there are."""
    named = ", ".join(sorted(values[:MOST_NAMED])) or "none"
    return named if len(values) <= MOST_NAMED else f"{named} and {len(values) - MOST_NAMED:,} more"


def _bounds(after: datetime | None, before: datetime | None) -> Iterator[str]:
    if after:
        yield f"since {_moment(after)}"
    if before:
        yield f"before {_moment(before)}"


def _moment(at: datetime) -> str:
    seconds = f"{at:%S}" if at.second or at.microsecond else ""
    return f"{at:%Y-%m-%d %H:%M}{':' if seconds else ''}{seconds} UTC"


def _duration(time: timedelta) -> str:
    """In the largest unit that leaves no rest."""
    seconds = int(time.total_seconds())
    unit, length = next((unit, length) for unit, length in _UNITS.items() if seconds % length == 0)
    count = seconds // length
    return f"{count:,} {unit}{'' if count == 1 else 's'}"
