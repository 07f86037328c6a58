"""Read the values of filters from texts that operators type. Each function raises SelectionError for a wrong text."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db import connection
from django.db.models import Q

from sessions.models import Session
from sessions.selection.errors import SelectionError
from users.addresses import plain_network
from users.clock import database_now
from users.models import App, DeviceToken, User, is_object_id

# Larger values are typing errors.
LONGEST_IDLE = timedelta(days=36_500)
_MOST_IN_ERROR = 5
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


# --- users: the ids of all that are named; deleted users count, too: their sessions may be asked for ---


def users_by_name(names: list[str]) -> list[str]:
    """Return the ids of users by user name or id."""
    return _all_found(names, _by_name)


def users_by_email(names: list[str]) -> list[str]:
    return _all_found(names, _by_email)


def users_by_any_name(names: list[str]) -> list[str]:
    """Return the ids of users by user name, email or id."""
    return _all_found(names, _by_any)


def find_named(name: str) -> User | None:
    """Find the user with that name or id. Deleted users are found by id only."""
    found = _by_name([name]) if "\0" not in name else {}
    return User.objects.filter(pk=found[name]).first() if name in found else None


def _all_found(names: list[str], find: Callable[[list[str]], dict[str, str]]) -> list[str]:
    found = find([name for name in names if "\0" not in name])
    if unknown := [name for name in dict.fromkeys(names) if name not in found]:
        raise SelectionError(f"there is no user {_named(unknown)}.")
    return list(found.values())


def _by_name(names: list[str]) -> dict[str, str]:
    """Map each known name to the user's id. The next two functions do the same for other texts."""
    normal = {name: User.normalize_username(name) for name in names}
    ids = _column("username", list(normal.values()))
    known = User.objects.filter(pk__in=filter(is_object_id, names)).values_list("pk", flat=True)
    return {name: ids[text] for name, text in normal.items() if text in ids} | {pk: pk for pk in known}


def _by_email(names: list[str]) -> dict[str, str]:
    return _column("email", names)


def _by_any(names: list[str]) -> dict[str, str]:
    # In the order of `users.identities.find_user_by_identity`: a verified email, then a user name, then any email.
    emails = [name for name in names if "@" in name]
    return _by_email(emails) | _by_name(names) | _column("email", emails, only="u.email_verified")


def _column(field: str, names: list[str], *, only: str = "true") -> dict[str, str]:
    # The database folds the case of both sides, as its unique index does. Python folds "ß" differently.
    statement = f"""
        SELECT given, u.id FROM unnest(%s::text[]) given
          JOIN users_user u ON UPPER(u."{field}") = UPPER(given) AND u.deleted_at IS NULL AND {only}
    """  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(statement, (names,))
        return dict(cursor.fetchall())


# --- other ids -------------------------------------------------------------------------------------


def apps_by_name(names: list[str]) -> list[str]:
    """Return the ids of apps by name or id."""
    found = dict(App.objects.filter(Q(name__in=names) | Q(pk__in=names)).values_list("pk", "name"))
    for name in names:
        if name not in found and name not in found.values():
            known = ", ".join(App.objects.order_by("name").values_list("name", flat=True)) or "none"
            raise SelectionError(f"there is no app {name!r}. Known: {known}.")
    return list(found)


def existing_sessions(texts: list[str]) -> list[str]:
    """Return session ids in their usual form."""
    ids = {text: _session_id(text) for text in texts}
    known = set(Session.objects.filter(pk__in=ids.values()).values_list("pk", flat=True))
    if unknown := [text for text, session_id in ids.items() if session_id not in known]:
        raise SelectionError(f"there is no session {_named(unknown)}.")
    return [str(session_id) for session_id in known]


def _session_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise SelectionError(f"{text[:80]!r} is not the id of a session.") from None


def _named(texts: list[str]) -> str:
    """Quote the first few texts, for an error message."""
    more = len(texts) - _MOST_IN_ERROR
    return ", ".join(repr(text[:50]) for text in texts[:_MOST_IN_ERROR]) + (f" and {more} more" if more > 0 else "")


# --- texts -----------------------------------------------------------------------------------------


def device_token_digests(tokens: list[str]) -> list[str]:
    return [DeviceToken.digest_of(token).hex() for token in tokens]


def networks_in_cidr(texts: list[str]) -> list[str]:
    try:
        return [plain_network(text) for text in texts]
    except ValueError as error:
        raise SelectionError(f"{error}.") from error


def country_codes(texts: list[str]) -> list[str]:
    codes = [text.strip().upper() for text in texts]
    check_countries(tuple(codes))
    return codes


def role_ids(texts: list[str]) -> list[str]:
    longest = User._meta.get_field("role_id").max_length or 0
    for text in texts:
        if not 0 < len(text.strip()) <= longest:
            raise SelectionError(f"{text[:80]!r} is not a role id, which has 1 to {longest} characters.")
    return [text.strip() for text in texts]


# --- times -----------------------------------------------------------------------------------------


def moment(text: str) -> datetime:
    """Read a time in the past. A later one is a mistake: it would select every session."""
    try:
        at = datetime.fromisoformat(text)
        at = at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise SelectionError(f"{text!r} is not an ISO 8601 date or time, such as 2026-11-21T03:00Z") from None
    if at > database_now():
        raise SelectionError(f"{text!r} is in the future")
    return at


def duration(text: str) -> timedelta:
    """Read a length of time such as `30d`."""
    match = re.fullmatch(r"([0-9]{1,10})([smhdw])", text)
    if match is None:
        raise SelectionError(f"{text!r} is not a time, such as 30d, 12h or 45m")
    try:
        time = timedelta(**{_UNITS[match[2]]: int(match[1])})
    except OverflowError:
        time = timedelta.max
    if not timedelta(0) < time <= LONGEST_IDLE:
        raise SelectionError(f"{text!r} is not between 1s and {LONGEST_IDLE.days}d")
    return time


# --- checks of a whole selection -------------------------------------------------------------------


def check_networks(networks: tuple[str, ...]) -> None:
    for network in networks:
        try:
            plain_network(network)
        except ValueError as error:
            raise SelectionError(f"No address and no network: {error}.") from error


def check_countries(codes: tuple[str, ...]) -> None:
    for code in codes:
        if not re.fullmatch("[A-Z]{2}", code):
            raise SelectionError(f"{code[:80]!r} is not the code of a country, such as DE.")


def check_idle_time(time: timedelta) -> None:
    if not timedelta(0) <= time <= LONGEST_IDLE:
        raise SelectionError(f"Nobody is idle for {time}; {LONGEST_IDLE.days} days is the most.")
