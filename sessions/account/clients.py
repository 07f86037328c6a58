"""How the account page names a session: its client, its app, and where it is."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.timesince import timesince

from sessions.client_names import UNKNOWN, long_client_name
from sessions.models import Judgement, Session

_UNUSUAL = {
    Judgement.NEW_COUNTRY: "You had not logged in from this country before.",
    Judgement.TOO_FAST: "It is very far from your log-in before it.",
}


@dataclass(frozen=True)
class SessionLine:
    """A session as the page shows it. The name comes from the client, so templates escape it."""

    session: Session
    name: str
    place: str
    seen: str
    unusual: str


def line_of(session: Session, *, now: datetime) -> SessionLine:
    """Return the line of a session at ``now``, the database's time. Load `app` and `device` with the session."""
    place = ", ".join(filter(None, (session.location, session.ip)))
    unusual = _UNUSUAL[Judgement(session.judgement)] if session.judgement else ""
    return SessionLine(session, name_of(session), place or "unknown place", _seen(session, now), unusual)


def _seen(session: Session, now: datetime) -> str:
    if now - session.last_seen_at < timedelta(minutes=1):
        return "just now"
    return f"{timesince(session.last_seen_at, now, depth=1)} ago"


def name_of(session: Session) -> str:
    """Return the client of a session in a few words, with a capital letter."""
    name = long_client_name(session)
    return "Unknown device" if name == UNKNOWN else f"{name[:1].upper()}{name[1:]}"
