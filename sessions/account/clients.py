"""How the account page names a session: its client, its app, and where it is."""

from dataclasses import dataclass

from sessions.client_names import UNKNOWN, long_client_name
from sessions.models import Judgement, Session

_UNUSUAL = {
    Judgement.NEW_COUNTRY: "You had not logged in from this country before.",
    Judgement.TOO_FAST: "It is very far from your log-in before it.",
}


@dataclass(frozen=True)
class SessionLine:
    """What the page shows of a session. The name comes from the client, so templates escape it."""

    session: Session
    name: str
    place: str
    unusual: str


def line_of(session: Session) -> SessionLine:
    """Return the line of a session. It reads `app`, `user` and `device`, so load them with it."""
    place = ", ".join(filter(None, (session.location, session.ip)))
    unusual = _UNUSUAL[Judgement(session.judgement)] if session.judgement else ""
    return SessionLine(session, name_of(session), place or "unknown place", unusual)


def name_of(session: Session) -> str:
    """Return the client of a session in a few words, with a capital letter."""
    name = long_client_name(session)
    return "Unknown device" if name == UNKNOWN else f"{name[:1].upper()}{name[1:]}"
