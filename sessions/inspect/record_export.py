"""The export of a user's whole record, as CSV or JSON Lines, for a request under data-protection law.

The user may read it. So it contains no secrets, and not the names, addresses and notes of staff.
"""

from collections.abc import Iterator
from typing import Any

from sessions.inspect.timeline import Moment, Source, streams_about, walk
from sessions.inspect.timeline_lines import device_of
from sessions.models import Session
from users.models import SecurityEvent, User
from users.record.describing import is_by_another
from users.record.lines import facts_of, what_happened
from users.table_files import lines_of, time_text

# The columns of the CSV, and the names of the JSON objects: formats for machines; add, never rename.
COLUMNS = (
    *("at", "event", "what", "outcome", "by", "session", "app", "device"),
    *("ip", "place", "userAgent", "details"),
)
# Details that are about the order and not about the user.
_OF_STAFF = ("note", "run", "filters", "session")


def export(user: User, format: str) -> Iterator[bytes]:
    """Yield the file, newest line first. Each batch is read by itself. ``format``: a key of `FORMATS`."""
    rows = (row_of(moment) for moment in walk(streams_about(user)))
    return lines_of(rows, columns=COLUMNS, format=format, text=_in_words)


def row_of(moment: Moment) -> dict[str, Any]:
    """Return a moment as an object with all of `COLUMNS`."""
    facts = _of_entry(moment.row) if isinstance(moment.row, SecurityEvent) else _of_session(moment.row, moment.source)
    return dict.fromkeys(COLUMNS) | {"at": time_text(moment.at)} | facts


def _in_words(value: Any) -> str:
    return "; ".join(map(str, facts_of(value))) if isinstance(value, dict) else str(value)


def _of_entry(entry: SecurityEvent) -> dict[str, Any]:
    is_own = not is_by_another(entry)
    return {
        "event": entry.event,
        "what": what_happened(entry),
        "outcome": entry.outcome,
        "by": _by(entry),
        "session": str(entry.session_id) if entry.session_id and is_own else None,
        "app": entry.app.name if entry.app else None,
        "ip": entry.ip if is_own else None,
        "userAgent": (entry.user_agent or None) if is_own else None,
        "details": {name: value for name, value in entry.details.items() if name not in _OF_STAFF} or None,
    }


def _by(entry: SecurityEvent) -> str | None:
    if entry.operator:
        return "operator"
    if entry.actor_id is None:
        return None
    return "user" if entry.actor_id == entry.user_id else "staff"


def _of_session(session: Session, source: Source) -> dict[str, Any]:
    facts = {
        "session": str(session.pk),
        "app": session.app.name,
        "device": device_of(session) or None,
        "outcome": "done",
    }
    if source is Source.OPENED:
        times = {"lastSeenAt": time_text(session.last_seen_at), "expiresAt": time_text(session.expires_at)}
        return facts | {
            "event": "session_opened",
            "what": "Session opened",
            "by": "user",
            "ip": session.ip,
            "place": session.location or None,
            "userAgent": session.user_agent or None,
            "details": times,
        }
    is_own = session.ended_by_id is not None and session.ended_by_id == session.user_id
    is_by_operator = session.bulk_run is not None and bool(session.bulk_run.operator)
    return facts | {
        "event": "session_ended",
        "what": f"Session ended: {session.get_end_reason_display()}",
        "by": "user" if is_own else "staff" if session.ended_by_id else "operator" if is_by_operator else "service",
        "ip": session.ended_ip if is_own else None,
        "details": {"reason": session.end_reason, "openedAt": time_text(session.created_at)},
    }
