"""Ids and times. A session's id is a UUIDv7. It begins with the time, so the primary key can find a period."""

from datetime import UTC, date, datetime, time
from uuid import UUID


def start_of(day: date) -> datetime:
    """Return midnight (UTC) at the beginning of ``day``."""
    return datetime.combine(day, time(), UTC)


def first_id(moment: datetime) -> UUID:
    """Return the lowest id that a session can have if it was opened at ``moment`` or later (RFC 9562 §5.7)."""
    return UUID(int=max(0, int(moment.timestamp() * 1000)) << 80)
