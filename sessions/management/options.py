"""The filters that `logout` and `sessions` share: as arguments, and what they select."""

import re
from argparse import Action, ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Q

from sessions.bulk.selection import LONGEST_IDLE, Selection, SelectionError
from sessions.management.lists import STDIN, names_in, tokens_in
from sessions.models import Session
from users.addresses import plain_network
from users.clock import database_now
from users.models import App, DeviceToken, User, is_object_id

# The options' names, as argparse has them.
FILTERS = (
    *("user", "email", "from_file", "role", "app", "platform"),
    *("device_token", "device_token_file", "session", "ip", "created_before", "idle_for", "everyone"),
)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def add_filters(parser: ArgumentParser) -> None:
    """Each kind narrows; given several times it means any of its values."""
    group = parser.add_argument_group("filters", "Each one narrows; one given twice means either value.")
    several: dict[str, Any] = {"action": "append", "default": None}
    group.add_argument("--user", metavar="USER", help="a user name or an id", **several)
    group.add_argument("--email", metavar="EMAIL", help="of a user", **several)
    group.add_argument(
        "--from-file",
        metavar="FILE",
        help="user names, emails or ids, one a line, or the first column of a CSV; - reads standard input",
        **several,
    )
    group.add_argument("--role", metavar="ROLE", help="a user's role id", **several)
    group.add_argument("--app", metavar="APP", help="an app's name or id", **several)
    group.add_argument("--platform", metavar="NAME", help="such as iOS or Android, in any case", **several)
    group.add_argument("--device-token", metavar="TOKEN", help="the push address that the session holds", **several)
    group.add_argument(
        "--device-token-file",
        metavar="FILE",
        help="the same, one a line, where no list of processes shows them; - reads standard input",
        **several,
    )
    group.add_argument("--session", metavar="ID", help="a session's id", **several)
    group.add_argument("--ip", metavar="CIDR", help="where the login came from: an address or a network", **several)
    group.add_argument(
        "--created-before", metavar="WHEN", type=moment, action=Once, help="ISO 8601; UTC where it names no zone"
    )
    group.add_argument(
        "--idle-for", metavar="TIME", type=duration, action=Once, help="not used for that long: 30d, 12h or 45m"
    )
    group.add_argument("--everyone", action="store_true", help="all sessions of all apps")


class Once(Action):
    """Of two values none is silently the one that counts."""

    def __call__(
        self, parser: ArgumentParser, namespace: Namespace, values: Any, option_string: str | None = None
    ) -> None:
        if getattr(namespace, self.dest) is not None:
            parser.error(f"{option_string} is given twice")
        setattr(namespace, self.dest, values)


def is_filtered(options: dict[str, Any]) -> bool:
    return any(options[name] not in (None, False) for name in FILTERS)


def reads_stdin(options: dict[str, Any]) -> bool:
    """Whether a filter has used standard input up, so that nobody is left there to be asked."""
    return bool(_from_stdin(options))


def _from_stdin(options: dict[str, Any]) -> list[str]:
    paths = [*(options["from_file"] or ()), *(options["device_token_file"] or ())]
    return [path for path in paths if path == STDIN]


def selection_of(options: dict[str, Any]) -> Selection:
    """Raises: SelectionError, for what is no filter and for users, apps that don't exist."""
    if len(_from_stdin(options)) > 1:
        raise SelectionError("Standard input can be read once: only one option can be given as -.")
    users = [
        _users(options["user"], "--user", _by_name),
        _users(options["email"], "--email", _by_email),
        _users(names_in(options["from_file"], "--from-file"), "--from-file", _by_any),
    ]
    given = [set(ids) for ids in users if ids is not None]
    tokens = [*(options["device_token"] or ()), *tokens_in(options["device_token_file"], "--device-token-file")]
    return Selection(
        everyone=options["everyone"],
        users=tuple(sorted(set.intersection(*given))) if given else None,
        apps=_apps(options["app"]),
        platforms=_sorted(options["platform"]),
        device_tokens=_sorted(DeviceToken.digest_of(token).hex() for token in tokens),
        sessions=_sorted(_sessions(options["session"] or ())),
        networks=_sorted(_network(text) for text in options["ip"] or ()),
        roles=_sorted(_role(text) for text in options["role"] or ()),
        created_before=options["created_before"],
        idle_for=options["idle_for"],
    )


def moment(text: str) -> datetime:
    """In the past: nobody has logged in after now, so a later one is a slip, and would select all of them."""
    try:
        at = datetime.fromisoformat(text)
        at = at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise ArgumentTypeError(f"{text!r} is not an ISO 8601 date or time, such as 2026-11-21T03:00Z") from None
    if at > database_now():
        raise ArgumentTypeError(f"{text!r} is in the future")
    return at


def duration(text: str) -> timedelta:
    match = re.fullmatch(r"([0-9]{1,10})([smhdw])", text)
    if match is None:
        raise ArgumentTypeError(f"{text!r} is not a time, such as 30d, 12h or 45m")
    try:
        time = timedelta(**{_UNITS[match[2]]: int(match[1])})
    except OverflowError:
        time = timedelta.max
    if not timedelta(0) < time <= LONGEST_IDLE:
        raise ArgumentTypeError(f"{text!r} is not between 1s and {LONGEST_IDLE.days}d")
    return time


def find_named(name: str) -> User | None:
    """The user of that name or id; deleted users have no name any more."""
    found = _by_name([name]) if "\0" not in name else {}
    return User.objects.filter(pk=found[name]).first() if name in found else None


def _users(names: list[str] | None, option: str, find: Callable[[list[str]], dict[str, str]]) -> list[str] | None:
    """Their ids. Deleted users count too: a session of theirs may be what is looked for."""
    if names is None:
        return None
    found = find([name for name in names if "\0" not in name])
    unknown = [name for name in dict.fromkeys(names) if name not in found]
    if unknown:
        raise SelectionError(f"{option}: there is no user {_named(unknown)}.")
    return list(found.values())


# Each finds who is meant by which of the names.


def _by_name(names: list[str]) -> dict[str, str]:
    normal = {name: User.normalize_username(name) for name in names}
    ids = _column("username", list(normal.values()))
    known = User.objects.filter(pk__in=filter(is_object_id, names)).values_list("pk", flat=True)
    return {name: ids[text] for name, text in normal.items() if text in ids} | {pk: pk for pk in known}


def _by_email(names: list[str]) -> dict[str, str]:
    return _column("email", names)


def _by_any(names: list[str]) -> dict[str, str]:
    # As `users.identities.find_user_by_identity`: a verified email, then a user name, then any email.
    emails = [name for name in names if "@" in name]
    return _by_email(emails) | _by_name(names) | _column("email", emails, only="u.email_verified")


def _column(field: str, names: list[str], *, only: str = "true") -> dict[str, str]:
    # The database folds both sides, as its unique index does; Python's "ß" becomes another text.
    statement = f"""
        SELECT given, u.id FROM unnest(%s::text[]) given
          JOIN users_user u ON UPPER(u."{field}") = UPPER(given) AND u.deleted_at IS NULL AND {only}
    """  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(statement, (names,))
        return dict(cursor.fetchall())


def _apps(names: list[str] | None) -> tuple[str, ...] | None:
    if not names:
        return None
    found = dict(App.objects.filter(Q(name__in=names) | Q(pk__in=names)).values_list("pk", "name"))
    for name in names:
        if name not in found and name not in found.values():
            known = ", ".join(App.objects.order_by("name").values_list("name", flat=True)) or "none"
            raise SelectionError(f"--app: there is no app {name!r}. Known: {known}.")
    return tuple(sorted(found))


def _sessions(texts: Iterable[str]) -> list[str]:
    """Their ids, in the usual form. Raises: SelectionError, for one that no session has."""
    ids = {text: _uuid(text) for text in texts}
    known = set(Session.objects.filter(pk__in=ids.values()).values_list("pk", flat=True))
    if unknown := [text for text, session_id in ids.items() if session_id not in known]:
        raise SelectionError(f"--session: there is no session {_named(unknown)}.")
    return [str(session_id) for session_id in known]


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise SelectionError(f"--session: {text[:80]!r} is not the id of a session.") from None


def _named(texts: list[str]) -> str:
    """The first few, for an error."""
    more = f" and {len(texts) - 5} more" if len(texts) > 5 else ""
    return ", ".join(repr(text[:50]) for text in texts[:5]) + more


def _network(text: str) -> str:
    try:
        return plain_network(text)
    except ValueError as error:
        raise SelectionError(f"--ip: {error}.") from error


def _role(text: str) -> str:
    role, longest = text.strip(), User._meta.get_field("role_id").max_length or 0
    if not 0 < len(role) <= longest:
        raise SelectionError(f"--role: {text[:80]!r} is not a role id, which has 1 to {longest} characters.")
    return role


def _sorted(values: Iterable[str] | None) -> tuple[str, ...] | None:
    return tuple(sorted(set(values or ()))) or None
