"""The filters that `logout` and `sessions` share: as arguments, and what they select."""

import csv
import re
import sys
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from django.db.models import Q
from django.db.models.functions import Upper

from sessions.selection import Selection, SelectionError
from users.models import App, DeviceToken, User, is_object_id

# The options' names, as argparse has them.
FILTERS = (
    *("user", "email", "from_file", "role", "app", "platform"),
    *("device_token", "ip", "created_before", "idle_for", "everyone"),
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
    )
    group.add_argument("--role", metavar="ROLE", help="a user's role id", **several)
    group.add_argument("--app", metavar="APP", help="an app's name or id", **several)
    group.add_argument("--platform", metavar="NAME", help="such as iOS or Android, in any case", **several)
    group.add_argument("--device-token", metavar="TOKEN", help="the push address that the session holds", **several)
    group.add_argument("--ip", metavar="CIDR", help="where the login came from: an address or a network", **several)
    group.add_argument("--created-before", metavar="WHEN", type=moment, help="ISO 8601; UTC where it names no zone")
    group.add_argument(
        "--idle-for", metavar="TIME", type=duration, help="not used for that long, such as 30d, 12h or 45m"
    )
    group.add_argument("--everyone", action="store_true", help="all sessions of all apps")


def selection_of(options: dict[str, Any]) -> Selection:
    """Raises: SelectionError, for what is no filter and for users, apps that don't exist."""
    users = [
        _users(options["user"], "--user", _by_name),
        _users(options["email"], "--email", _by_email),
        _users(None if options["from_file"] is None else list(_lines(options["from_file"])), "--from-file", _by_any),
    ]
    given = [set(ids) for ids in users if ids is not None]
    return Selection(
        everyone=options["everyone"],
        users=tuple(sorted(set.intersection(*given))) if given else None,
        apps=_apps(options["app"]),
        platforms=_sorted(options["platform"]),
        device_tokens=_sorted(DeviceToken.digest_of(token).hex() for token in options["device_token"] or ()),
        networks=_sorted(options["ip"]),
        roles=_sorted(_role(text) for text in options["role"] or ()),
        created_before=options["created_before"],
        idle_for=options["idle_for"],
    )


def moment(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not an ISO 8601 date or time, such as 2026-11-21T03:00Z") from None
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


def duration(text: str) -> timedelta:
    match = re.fullmatch(r"(\d{1,6})([smhdw])", text)
    if match is None:
        raise ArgumentTypeError(f"{text!r} is not a time, such as 30d, 12h or 45m")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def _lines(path: str) -> Iterable[str]:
    """The first column, without blanks, comments and a header that names itself."""
    try:
        with sys.stdin if path == "-" else open(path, newline="", encoding="utf-8-sig") as file:
            rows = [row[0].strip() for row in csv.reader(file) if row and row[0].strip()]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SelectionError(f"--from-file: {path} can't be read: {error}") from error
    if rows and rows[0].lower() in _HEADERS:
        rows = rows[1:]
    rows = [row for row in rows if not row.startswith("#")]
    if not rows:
        raise SelectionError(f"--from-file: {path} names nobody.")
    return rows


_HEADERS = {"user", "username", "user name", "user_name", "id", "user id", "user_id", "email", "identity"}


def _users(names: list[str] | None, option: str, find: Callable[[list[str]], dict[str, str]]) -> list[str] | None:
    """Their ids. Deleted users count too: a session of theirs may be what is looked for."""
    if names is None:
        return None
    found = find(names)
    unknown = [name for name in names if name.upper() not in found]
    if unknown:
        more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
        raise SelectionError(f"{option}: there is no user {', '.join(map(repr, unknown[:5]))}{more}.")
    return list(found.values())


def _by_name(names: list[str]) -> dict[str, str]:
    by_id = {name.upper(): name for name in names if is_object_id(name)}
    known = User.objects.filter(pk__in=by_id.values()).values_list("pk", flat=True)
    return _column("username", names) | {pk.upper(): pk for pk in known}


def _by_email(names: list[str]) -> dict[str, str]:
    return _column("email", names)


def _by_any(names: list[str]) -> dict[str, str]:
    return _by_email([name for name in names if "@" in name]) | _by_name(names)


def _column(field: str, names: list[str]) -> dict[str, str]:
    # As its unique index has it.
    upper = [name.upper() for name in names]
    rows = User.objects.filter(deleted_at=None).annotate(folded=Upper(field)).filter(folded__in=upper)
    return dict(rows.values_list("folded", "pk"))


def _apps(names: list[str] | None) -> tuple[str, ...] | None:
    if not names:
        return None
    found = dict(App.objects.filter(Q(name__in=names) | Q(pk__in=names)).values_list("pk", "name"))
    for name in names:
        if name not in found and name not in found.values():
            known = ", ".join(App.objects.order_by("name").values_list("name", flat=True)) or "none"
            raise SelectionError(f"--app: there is no app {name!r}. Known: {known}.")
    return tuple(sorted(found))


def _role(text: str) -> str:
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or number != number.to_integral_value():
        raise SelectionError(f"--role: {text!r} is not a role id, which is a whole number.")
    return str(int(number))


def _sorted(values: Iterable[str] | None) -> tuple[str, ...] | None:
    return tuple(sorted(set(values or ()))) or None
