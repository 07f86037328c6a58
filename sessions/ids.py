"""Session ids are UUIDv7 (RFC 9562 §5.7): they begin with the time, so the primary key's index finds a period."""

from datetime import UTC, date, datetime, time
from uuid import UUID


def start_of(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def first_id(moment: datetime) -> UUID:
    """The least id of a session opened then or later (RFC 9562 §5.7). Its time counts from 1970."""
    return UUID(int=max(0, int(moment.timestamp() * 1000)) << 80)
