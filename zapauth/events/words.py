"""Word events as server-sent events (WHATWG HTML §9.2). Names and fields are on the wire: add, never rename."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from sessions.notices.place import Place
from sessions.notices.reading import Told

# A notice of up to this many sessions becomes an event for each of them. One of more becomes one event.
SINGLY = 10

READY = "ready"
RESET = "reset"
ALIVE = "alive"
SESSION_ENDED = "session-ended"
SESSIONS_ENDED = "sessions-ended"
SESSIONS_REFUSED = "sessions-refused"


def event(name: str, data: Mapping[str, Any], place: Place | None = None) -> str:
    """Return the text of an event. A client that comes back sends the last ``place`` that it got."""
    number = f"id: {place}\n" if place else ""
    return f"event: {name}\n{number}data: {json.dumps(data, separators=(',', ':'))}\n\n"


def events_of(notice: Told, place: Place | None = None) -> str:
    """Return the events that tell of a notice. The last one has the place, if there is one."""
    facts = list(_facts(notice))
    *first, (name, last) = facts
    return "".join(event(each, data) for each, data in first) + event(name, last, place)


def time_text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _facts(notice: Told) -> Iterator[tuple[str, dict[str, Any]]]:
    common = {"app": notice.app_id, "reason": notice.reason, "at": time_text(notice.at)}
    if notice.session_ids is None:
        until = time_text(notice.opened_until) if notice.opened_until else None
        yield SESSIONS_REFUSED, common | {"users": notice.user_ids, "opened_until": until}
        return
    users = notice.user_ids or [None] * len(notice.session_ids)
    ended = [{"session": str(each), "user": user} for each, user in zip(notice.session_ids, users, strict=True)]
    if len(ended) > SINGLY:
        yield SESSIONS_ENDED, common | {"sessions": ended}
    else:
        for each in ended:
            yield SESSION_ENDED, each | common
