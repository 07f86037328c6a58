"""Why staff ended a session, in their words: the note of the bulk run, or that of the record if there is no run."""

from collections.abc import Iterable
from datetime import timedelta

from sessions.models import EndReason, Session
from users.models import SecurityEvent
from users.record.events import Event

# The entry is written in the transaction that ends the session, a moment after `ended_at`.
_SOON = timedelta(minutes=1)


def add_notes(sessions: Iterable[Session]) -> None:
    """Set `end_note` of each session; "" if there is no note. At most one query. Load `bulk_run` with the sessions."""
    sought: dict[str, Session] = {}
    for session in sessions:
        session.end_note = session.bulk_run.note if session.bulk_run else ""
        if session.bulk_run is None and session.end_reason == EndReason.STAFF:
            sought[str(session.pk)] = session
    for session_id, note in _notes_on_record(sought).items():
        sought[session_id].end_note = note


def _notes_on_record(sought: dict[str, Session]) -> dict[str, str]:
    ends = [session.ended_at for session in sought.values() if session.ended_at]
    if not ends:
        return {}
    # The time and the user, or the event, narrow the entries by an index.
    users = {session.user_id for session in sought.values()}
    found = SecurityEvent.objects.filter(
        event=Event.SESSIONS_ENDED, at__gte=min(ends), at__lte=max(ends) + _SOON, details__session__in=list(sought)
    )
    if len(users) == 1:
        found = found.filter(user=users.pop())
    return {details["session"]: details.get("note", "") for (details,) in found.order_by().values_list("details")}
