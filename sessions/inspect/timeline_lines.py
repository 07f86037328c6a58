"""The lines of a timeline, as staff see them."""

from django.urls import reverse

from sessions.client_names import UNKNOWN, client_name
from sessions.inspect.timeline import Moment, Source
from sessions.models import EndReason, Session
from users.models import SecurityEvent
from users.record.lines import Fact, Line, line_of, page_of_user

_BY_A_THIEF = {EndReason.REFRESH_REUSED}


def line_of_moment(moment: Moment) -> Line:
    """Return the line of an entry, of a session that was opened, or of a session that ended."""
    if isinstance(moment.row, SecurityEvent):
        return line_of(moment.row)
    return _ended(moment.row) if moment.source is Source.ENDED else _opened(moment.row)


def who_ended(session: Session) -> str:
    """Return who ended it: `the user`, a user name, `user@host` of a command, `another service`, or `the service`."""
    if session.ended_by_id is not None and session.ended_by_id == session.user_id:
        return "the user"
    if session.ended_by is not None:
        return session.ended_by.username
    if session.end_reason == EndReason.REVOKED:
        return "another service"  # the entry of the record has its name
    return (session.bulk_run.operator if session.bulk_run else "") or "the service"


def device_of(session: Session) -> str:
    """Return the device or its platform; "" if neither is known."""
    return str(session.device or session.platform)


def _opened(session: Session) -> Line:
    return Line(
        at=session.created_at,
        what="Session opened",
        who="the user",
        url=_page_of(session),
        ip=session.ip,
        place=session.location,
        facts=[*_facts(session), *_unusual(session), *([] if session.ended_at else [Fact("state", "not ended")])],
    )


def _ended(session: Session) -> Line:
    assert session.ended_at is not None  # noqa: S101  # the timeline reads only ended ones
    note = getattr(session, "end_note", "")
    opened = Fact("opened", f"{session.created_at:%Y-%m-%d %H:%M:%S} UTC")
    return Line(
        at=session.ended_at,
        what=f"Session ended: {session.get_end_reason_display()}",
        who=who_ended(session),
        who_url=page_of_user(session.ended_by_id if session.ended_by_id != session.user_id else None),
        url=_page_of(session),
        ip=session.ended_ip,
        facts=[*_facts(session), opened, *([Fact("note", note)] if note else [])],
        is_refused=session.end_reason in _BY_A_THIEF,
    )


def _facts(session: Session) -> list[Fact]:
    client = client_name(session)
    return [Fact("app", session.app.name), *([Fact("client", client)] if client != UNKNOWN else [])]


def _unusual(session: Session) -> list[Fact]:
    return [Fact("unusual", session.get_judgement_display())] if session.judgement else []


def _page_of(session: Session) -> str:
    return reverse("admin:user_sessions_session_change", args=[session.pk])
