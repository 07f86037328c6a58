"""The page of the account's history, newest first: entries of the record, and sessions opened and ended."""

from dataclasses import dataclass
from datetime import datetime

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render

from sessions.account.clients import name_of
from sessions.account.guard import own_page, user_of
from sessions.inspect.timeline import Moment, Position, Source, Timeline, streams_about, timeline
from sessions.models import Session
from users.models import SecurityEvent, User
from users.record.describing import describe

PER_PAGE = 25


@dataclass(frozen=True)
class Line:
    """A line of the history. Its texts may come from clients, so templates escape them."""

    at: datetime
    text: str
    more: str
    is_refused: bool


@own_page
def history(request: HttpRequest, session: Session) -> HttpResponseBase:
    """Show a page of the history: the newest, or the one next to a position."""
    user = user_of(session)
    try:
        older, newer = (_position(request.GET.get(name)) for name in ("older", "newer"))
    except (ValueError, KeyError, OverflowError):
        return redirect("account:history")
    found = _read(user, limit=PER_PAGE, older=older, newer=newer)
    if newer is not None and found.newer is None:
        return redirect("account:history")  # the first page, which may have more lines by now
    return _show(request, found)


def newest_lines(user: User, *, at_most: int) -> list[Line]:
    """Return the newest lines of the user's history."""
    return [line_of(moment) for moment in _read(user, limit=at_most).moments]


def line_of(moment: Moment) -> Line:
    """Return the line of an entry of the record, of a session that was opened, or of one that ended."""
    row = moment.row
    if isinstance(row, SecurityEvent):
        return Line(moment.at, describe(row, to_staff=False), "", row.outcome == "refused")
    if moment.source is Source.OPENED:
        where = ", ".join(filter(None, (row.location, row.ip)))
        return Line(moment.at, f"You logged in: {name_of(row)}.", _facts(row.app.name, where), False)
    return Line(moment.at, f"A session ended: {name_of(row)}.", _facts(row.app.name, _why(row)), False)


def _why(session: Session) -> str:
    """Return why a session ended. People are not told which member of staff ended it."""
    is_of_staff = session.ended_by_id is not None and session.ended_by_id != session.user_id
    return "ended by our staff" if is_of_staff else str(session.get_end_reason_display())


def _facts(*facts: str) -> str:
    return " · ".join(filter(None, facts))


def _read(user: User, *, limit: int, older: Position | None = None, newer: Position | None = None) -> Timeline:
    return timeline(streams_about(user), limit=limit, older_than=older, newer_than=newer)


def _position(text: str | None) -> Position | None:
    return Position.parse(text) if text else None


def _show(request: HttpRequest, found: Timeline) -> HttpResponse:
    lines = [line_of(moment) for moment in found.moments]
    return render(request, "account/history.html", {"lines": lines, "newer": found.newer, "older": found.older})
