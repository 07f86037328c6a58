"""The record of endings: a file of what must end again after an older copy of the database is restored.

`manage.py ended` writes it and `manage.py restored --ended` reads it. It has one JSON object per line, between a header
and a footer with the number of lines. It contains ids and times only. The format is for machines: add, never rename.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Q, QuerySet

from sessions.liveness import CUT_OFF
from sessions.models import Mark, Session
from users.models import App, User, is_object_id

FORMAT, VERSION = "zapauth.ended", 1
# An ending may commit this long after its time. An export therefore starts this much earlier. So it misses no ending if
# it continues where another export stopped.
EARLIER = timedelta(minutes=5)
_ROWS = 2000


class Kind(StrEnum):
    """The kind of a line."""

    SESSION = "session"
    USER_DELETED = "user_deleted"
    USER_DISABLED = "user_disabled"
    PASSWORD_CHANGED = "password_changed"
    APP_DISABLED = "app_disabled"


class RecordError(ValueError):
    """A record is wrong or can't be exported. The text says why."""


# --- writing ------------------------------------------------------------------------------------


def export_record(*, since: datetime, until: datetime | None = None) -> Iterator[dict[str, Any]]:
    """Yield the lines of the record of what ended from ``since`` on and before ``until``, with header and footer.

    Raises: RecordError, before the first line, if sessions that ended since then have been deleted.
    """
    start = since - EARLIER
    pruned = Mark.objects.filter(pruned_before__gt=start).values_list("pruned_before", flat=True).first()
    if pruned is not None:
        raise RecordError(
            f"Sessions that ended before {pruned:%Y-%m-%d %H:%M:%S} UTC have been deleted (manage.py prune): "
            f"a record can start {EARLIER.seconds // 60} minutes after that at the earliest."
        )
    header = {"record": FORMAT, "version": VERSION, "since": since.isoformat()}
    yield header | {"until": until.isoformat() if until else None, "exportedAt": _complete_until().isoformat()}
    count = 0
    for kind, rows in _queries(start, until):
        for pk, at, *reason in rows:
            count += 1
            line = {"kind": kind.value, "id": str(pk), "at": at.isoformat() if at else None}
            yield line | ({"reason": reason[0]} if reason else {})
    yield {"record": FORMAT, "count": count}


def _queries(start: datetime, until: datetime | None) -> Iterator[tuple[Kind, Iterable[tuple[Any, ...]]]]:
    """Yield each kind with its rows (id, time, and the reason if there is one), oldest first."""
    yield Kind.APP_DISABLED, ((pk, None) for pk in App.objects.filter(is_active=False).values_list("pk", flat=True))
    # Read open sessions before ended ones: a sweep may end some in the meantime.
    open_ones = Session.objects.filter(ended_at=None).order_by()
    for refusal, rule in CUT_OFF.items():
        ids = open_ones.filter(rule).values_list("pk", flat=True)
        yield Kind.SESSION, ((pk, None, refusal.value) for pk in ids.iterator(_ROWS))
    yield Kind.SESSION, _in_time(Session.objects.all(), "ended_at", start, until, "end_reason")
    yield Kind.USER_DELETED, _in_time(User.objects.all(), "deleted_at", start, until)
    disabled = User.objects.filter(is_active=False, deleted_at=None).order_by()
    yield Kind.USER_DISABLED, ((pk, None) for pk in disabled.values_list("pk", flat=True).iterator(_ROWS))
    yield Kind.PASSWORD_CHANGED, _in_time(User.objects.all(), "password_changed_at", start, until)


def _in_time(
    rows: QuerySet[Any], name: str, start: datetime, until: datetime | None, *more: str
) -> Iterator[tuple[Any, ...]]:
    during = Q(**{f"{name}__gte": start}) & (Q(**{f"{name}__lt": until}) if until else Q())
    return rows.filter(during).order_by(name).values_list("pk", name, *more).iterator(_ROWS)


def _complete_until() -> datetime:
    """Return the time before which all endings have committed: now, or the start of the oldest open transaction."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT LEAST(clock_timestamp(), min(xact_start)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND backend_xid IS NOT NULL AND pid <> pg_backend_pid()"
        )
        at: datetime = cursor.fetchone()[0]
    return at


# --- reading ------------------------------------------------------------------------------------


@dataclass
class Record:
    """One export, or several without a gap between them."""

    since: datetime
    exported_at: datetime
    digest: str
    sessions: set[UUID] = field(default_factory=set)
    deleted: dict[str, datetime] = field(default_factory=dict)
    disabled: set[str] = field(default_factory=set)
    passwords: dict[str, datetime] = field(default_factory=dict)
    apps_disabled: set[str] = field(default_factory=set)


@dataclass
class _Export:
    """The lines from a header to its footer."""

    since: datetime
    exported_at: datetime
    until: datetime
    line: int
    count: int = 0
    sessions: set[UUID] = field(default_factory=set)
    others: list[tuple[Kind, str, datetime | None]] = field(default_factory=list)


def read_record(lines: Iterable[str]) -> Record:
    """Read one or several exports. Raises: RecordError, if they are incomplete or not a record."""
    digest, exports = hashlib.sha256(), []
    current: _Export | None = None
    for number, text in enumerate(lines, 1):
        digest.update(text.encode())
        if not text.strip():
            continue
        facts = _object(text, number)
        if "record" not in facts:
            if current is None:
                raise RecordError(f"line {number}: there is no header before it")
            _take_in(current, facts, number)
        elif "count" not in facts:
            _check_complete(current)
            current = _header(facts, number)
        else:
            exports.append(_closed(current, facts, number))
            current = None
    _check_complete(current)
    if not exports:
        raise RecordError("it is empty: there is not even a header")
    return _joined(exports, digest.hexdigest()[:16])


def _check_complete(current: _Export | None) -> None:
    if current is not None:
        raise RecordError(
            f"the export that begins in line {current.line} is cut off: it has no footer. "
            "Use the export before it, or leave it out if others cover its time"
        )


def _closed(current: _Export | None, footer: dict[str, Any], number: int) -> _Export:
    if current is None:
        raise RecordError(f"line {number}: there is no header before this footer")
    if footer["count"] != current.count:
        raise RecordError(f"line {number}: {footer['count']} lines were exported, {current.count} are here")
    return current


def _object(text: str, number: int) -> dict[str, Any]:
    try:
        facts = json.loads(text)
    except ValueError:
        facts = None
    if not isinstance(facts, dict):
        raise RecordError(f"line {number}: it is not a JSON object")
    return facts


def _header(facts: dict[str, Any], number: int) -> _Export:
    if (facts["record"], facts.get("version")) != (FORMAT, VERSION):
        raise RecordError(f"line {number}: it is not the header of a record of version {VERSION}")
    exported_at = _time(facts.get("exportedAt"), number)
    until = exported_at if facts.get("until") is None else min(_time(facts["until"], number), exported_at)
    return _Export(_time(facts.get("since"), number), exported_at, until, number)


def _take_in(export: _Export, facts: dict[str, Any], number: int) -> None:
    export.count += 1
    try:
        kind, pk = Kind(facts["kind"]), facts["id"]
        if kind == Kind.SESSION:
            export.sessions.add(UUID(pk))
            return
        if not is_object_id(pk):
            raise ValueError
    except (KeyError, ValueError, TypeError, AttributeError):
        raise RecordError(f"line {number}: this version does not know this kind of line") from None
    at = _time(facts.get("at"), number) if kind in _TIMED else None
    export.others.append((kind, pk, at))


_TIMED = {Kind.USER_DELETED, Kind.PASSWORD_CHANGED}


def _time(value: Any, number: int) -> datetime:
    try:
        at = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        at = None
    if at is None or at.tzinfo is None:
        raise RecordError(f"line {number}: {value!r} is not a time")
    return at


def _joined(exports: list[_Export], digest: str) -> Record:
    exports.sort(key=lambda export: export.since)
    joined = Record(exports[0].since, exports[0].until, digest)
    for export in exports:
        if export.since > joined.exported_at:
            raise RecordError(f"what ended from {joined.exported_at} to {export.since} is missing between two exports")
        joined.exported_at = max(joined.exported_at, export.until)
        _add(joined, export)
    # Only the newest export knows who is disabled now. An account in an older export may have been enabled again.
    newest = max(exports, key=lambda export: export.exported_at)
    joined.disabled = {pk for kind, pk, _ in newest.others if kind == Kind.USER_DISABLED}
    joined.apps_disabled = {pk for kind, pk, _ in newest.others if kind == Kind.APP_DISABLED}
    return joined


def _add(joined: Record, export: _Export) -> None:
    joined.sessions |= export.sessions
    for kind, pk, at in export.others:
        if kind == Kind.USER_DELETED and at is not None:
            joined.deleted[pk] = at
        elif kind == Kind.PASSWORD_CHANGED and at is not None:
            joined.passwords[pk] = max(at, joined.passwords.get(pk, at))
