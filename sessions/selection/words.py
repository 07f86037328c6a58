"""Word the values of filters for people."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sessions.models import EndReason, Session
from users.models import App, User

# If there are more values than this, they are counted and not named.
MOST_NAMED = 3
_UNITS = {"day": 86_400, "hour": 3_600, "minute": 60, "second": 1}


def values_in_words(values: Sequence[str]) -> str:
    """Name the first few values, and say how many more there are."""
    named = ", ".join(sorted(values[:MOST_NAMED])) or "none"
    return named if len(values) <= MOST_NAMED else f"{named} and {len(values) - MOST_NAMED:,} more"


def users_in_words(ids: Sequence[str]) -> str:
    names = dict(User.objects.filter(pk__in=ids[:MOST_NAMED]).values_list("pk", "username"))
    return values_in_words([names.get(pk, pk) for pk in ids])


def apps_in_words(ids: Sequence[str]) -> str:
    names = dict(App.objects.filter(pk__in=ids[:MOST_NAMED]).values_list("pk", "name"))
    return values_in_words([names.get(pk, pk) for pk in ids])


def sessions_in_words(ids: Sequence[str]) -> str:
    sessions = Session.objects.filter(pk__in=ids[:MOST_NAMED]).select_related("user", "device")
    names = {str(session.pk): _session_in_words(session) for session in sessions}
    return values_in_words([names.get(pk, pk) for pk in ids])


def device_tokens_in_words(digests: Sequence[str]) -> str:
    """Word device tokens by their digests. The tokens are secrets and are not stored."""
    return f"{len(digests):,} (SHA-256 digest {values_in_words([f'{digest[:12]}…' for digest in digests])})"


def platforms_in_words(platforms: Sequence[str]) -> str:
    return values_in_words([platform or "unknown" for platform in platforms])


def reasons_in_words(reasons: Sequence[str]) -> str:
    return values_in_words([EndReason(reason).label for reason in reasons])


def since(at: datetime) -> str:
    return f"since {_moment(at)}"


def time_before(at: datetime) -> str:
    return f"before {_moment(at)}"


def time_span(time: timedelta) -> str:
    """Word ``time`` in the largest unit that leaves no remainder."""
    seconds = int(time.total_seconds())
    unit, length = next((unit, length) for unit, length in _UNITS.items() if seconds % length == 0)
    count = seconds // length
    return f"{count:,} {unit}{'' if count == 1 else 's'}"


def _session_in_words(session: Session) -> str:
    """Word a session, for example "ann's on iPhone"."""
    whose = f"{session.user.username}'s" if session.user else "an app-level one"
    return f"{whose} on {session.device or session.platform or 'an unknown device'}"


def _moment(at: datetime) -> str:
    seconds = f"{at:%S}" if at.second or at.microsecond else ""
    return f"{at:%Y-%m-%d %H:%M}{':' if seconds else ''}{seconds} UTC"
