"""Everything that is stored about one user, as one JSON document, for a request under data-protection law.

The user may read it. So it contains no secrets (hashes, tokens, keys), and not the names, addresses and notes of staff.
"""

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from django.db.models import Exists, Model, OuterRef, Q, QuerySet

from sessions.inspect.record_export import row_of
from sessions.inspect.timeline import streams_about, walk
from sessions.models import Session
from users.models import CrashReport, Device, DeviceToken, OneUseLink, User
from users.second_factor.recovery import count_recovery_codes
from users.table_files import time_text

# Secrets, and what is only about how we store the row.
_NOT_OF_ACCOUNT = {"password", "session_epoch", "sessions_valid_after"}
_OF_SESSION = (
    *("id", "platform", "user_agent", "ip", "country", "country_name", "city", "latitude", "longitude", "judgement"),
    *("created_at", "last_seen_at", "expires_at", "authenticated_at", "ended_at", "end_reason"),
)
_OF_DEVICE = (
    *("id", "unique_id", "platform", "model", "os_version", "app_version", "connection_type", "tag"),
    *("latitude", "longitude", "is_production", "created_at", "updated_at"),
)
# The device tells these again and again. If somebody else uses it, too, they may be about that person.
_OF_PRESENT_USE = ("connection_type", "tag", "latitude", "longitude", "updated_at")
_OF_CRASH = ("device_id", "message", "method_name", "stack_trace", "created_at")
_OF_LINK = ("purpose", "address", "created_at", "expires_at")


def everything_about(user: User) -> Iterator[bytes]:
    """Yield the document, a row at a time. The names are a format for machines: add, never rename one."""
    yield b"{"
    yield from _member("account", account_of(user))
    yield from _rows("devices", map(_of_device, _devices_of(user)))
    tokens = DeviceToken.objects.filter(user=user).order_by("pk")
    yield from _rows("deviceTokens", (_facts(each, ("id", "device_id", "created_at", "updated_at")) for each in tokens))
    yield from _rows("crashReports", (_facts(each, _OF_CRASH) for each in _crash_reports_of(user).iterator(500)))
    links = OneUseLink.objects.filter(user=user).order_by("pk")
    yield from _rows("links", (_facts(each, _OF_LINK) for each in links))
    sessions = Session.objects.filter(user=user).select_related("app").order_by("-pk")
    of_session = ({**_facts(each, _OF_SESSION), "app": each.app.name, "device_id": each.device_id} for each in sessions)
    yield from _rows("sessions", of_session)
    yield from _rows("record", (row_of(moment) for moment in walk(streams_about(user))), is_last=True)
    yield b"}\n"


def account_of(user: User) -> dict[str, Any]:
    """Return all columns of the account but secrets, what the user may do, and their second factor."""
    names = [field.attname for field in user._meta.concrete_fields if field.attname not in _NOT_OF_ACCOUNT]
    permissions = user.user_permissions.values_list("content_type__app_label", "codename")
    return _facts(user, names) | {
        "has_password": user.has_usable_password(),
        "recovery_codes_left": count_recovery_codes(user),
        "groups": sorted(user.groups.values_list("name", flat=True)),
        "permissions": sorted(f"{app}.{codename}" for app, codename in permissions),
    }


def _devices_of(user: User) -> QuerySet[Any]:
    """Return the devices of the user's sessions and push addresses, each with ``is_shared``."""
    known = Session.objects.filter(user=user, device__isnull=False).values("device")
    held = DeviceToken.objects.filter(user=user, device__isnull=False).values("device")
    found = Device.objects.filter(Q(pk__in=known) | Q(pk__in=held)).annotate(is_shared=_used_by_others(user, "pk"))
    return found.select_related("app").order_by("pk")


def _of_device(device: Any) -> dict[str, Any]:
    hidden = dict.fromkeys(_OF_PRESENT_USE) if device.is_shared else {}
    return {**_facts(device, _OF_DEVICE), **hidden, "app": device.app.name}


def _used_by_others(user: User, device: str) -> Exists:
    """Return the condition that somebody else has a session on the device. ``device`` is the column with its id."""
    return Exists(Session.objects.filter(device=OuterRef(device), user__isnull=False).exclude(user=user))


def _crash_reports_of(user: User) -> QuerySet[CrashReport]:
    """Return the reports of devices that nobody else has used: a report does not say whose it is."""
    mine = list(_devices_of(user).values_list("pk", flat=True))
    return CrashReport.objects.filter(~_used_by_others(user, "device"), device__in=mine).order_by("pk")


def _facts(row: Model, names: Iterable[str]) -> dict[str, Any]:
    return {name: _plain(getattr(row, name)) for name in names}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return time_text(value)
    return value if value is None or isinstance(value, bool | int | float | str | list) else str(value)


def _member(name: str, value: Any) -> Iterator[bytes]:
    yield f"{json.dumps(name)}: {json.dumps(value, ensure_ascii=False)},\n".encode(errors="replace")


def _rows(name: str, rows: Iterable[dict[str, Any]], *, is_last: bool = False) -> Iterator[bytes]:
    yield f"{json.dumps(name)}: [".encode()
    between = "\n"
    for row in rows:
        yield f"{between}{json.dumps(row, ensure_ascii=False)}".encode(errors="replace")
        between = ",\n"
    yield b"]" if is_last else b"],\n"
