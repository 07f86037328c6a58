"""List sessions, or count them."""

import json
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterable
from datetime import datetime
from typing import Any, TextIO, cast

from django.core.management.base import CommandError
from django.db.models import QuerySet
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table

from sessions.liveness import live_sessions
from sessions.management.operators import WRONG, OperatorCommand, shown
from sessions.management.options import add_filters, is_filtered, selection_of
from sessions.models import Session
from sessions.selection.errors import SelectionError
from users.clock import DatabaseNow, database_now

# The widths of a table's columns depend on all rows, so the table needs all rows in memory.
MOST_IN_TABLE = 10_000
COLUMNS = ("session", "user", "app", "platform", "IP", "created", "last seen", "state")
# The order in which columns are left out on a narrow terminal.
FIRST_TO_GO = ("created", "last seen", "IP", "platform", "app")
# An id of 36 characters, and a user and a state that may be folded.
NARROWEST = 60


class Command(OperatorCommand):
    help = "List the sessions that the filters select, newest first; without a filter, all of them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_filters(parser)
        state = parser.add_mutually_exclusive_group()
        state.add_argument("--live", action="store_true", help="only sessions that would be accepted now")
        state.add_argument("--ended", action="store_true", help="only sessions that have ended")
        parser.add_argument("--count", action="store_true", help="print the number of sessions, and nothing else")
        parser.add_argument(
            "--limit",
            type=_limit,
            default=100,
            metavar="N",
            help=f"print the newest N (100); 0 means all, in a table at most {MOST_IN_TABLE}",
        )
        parser.add_argument("--json", action="store_true", help="one JSON object for each session")

    def handle(self, *args: Any, **options: Any) -> None:
        sessions = self._sessions(options)
        if options["count"]:
            count = sessions.count()
            self.stdout.write(json.dumps({"count": count}) if options["json"] else str(count))
            return
        rows = sessions.annotate(checked_at=DatabaseNow())  # type: ignore[no-redef]  # what authentication sets
        rows = rows.select_related("user", "app").order_by("-pk")
        limit = options["limit"] or None
        if options["json"]:
            # With a cursor on the server: a million sessions don't fit in memory.
            for session in rows[:limit].iterator(1000):
                self.stdout.write(json.dumps(session_facts(session)))
            return
        limit = min(limit or MOST_IN_TABLE, MOST_IN_TABLE)
        listed = list(rows[: limit + 1])
        self._print_table(listed[:limit])
        if len(listed) > limit:
            self.stdout.write(f"These are the newest {limit}. There are more: --limit N, or --limit 0 --json for all.")

    def _print_table(self, sessions: Iterable[Session]) -> None:
        rows = [table_row(session) for session in sessions]
        out = cast(TextIO, self.stdout)
        # No markup: a client may call its platform "[/]".
        console = Console(file=out, markup=False, emoji=False, highlight=False)
        # In a file or a pipe a line is as long as needed.
        console.width = max(console.width, NARROWEST) if out.isatty() else _width(rows, COLUMNS)
        columns = _that_fit(rows, console.width)
        with console.capture() as printed:
            console.print(_table(rows, columns))
        self.stdout.write(printed.get(), ending="")
        if left_out := [name for name in COLUMNS if name not in columns]:
            self.stdout.write(f"The terminal is too narrow for: {', '.join(left_out)}. Use --json to see them.")

    def _sessions(self, options: dict[str, Any]) -> QuerySet[Session]:
        """Return the sessions to print. Raises: CommandError."""
        now = database_now()
        try:
            sessions = selection_of(options).queryset(now=now) if is_filtered(options) else Session.objects.all()
        except SelectionError as error:
            raise CommandError(str(error), returncode=WRONG) from error
        if options["live"]:
            return live_sessions(sessions, now=now)
        return sessions.filter(ended_at__isnull=False) if options["ended"] else sessions


def table_row(session: Session) -> dict[str, str]:
    """Return the cells of a session's row, by column."""
    facts = session_facts(session)
    named = {name: shown(facts[name.lower()] or "-") for name in ("session", "user", "app", "platform", "IP")}
    state = f"{facts['reason']}, {facts['endedAt']}" if facts["endedAt"] else facts["refusal"] or "live"
    return named | {"created": facts["createdAt"], "last seen": facts["lastSeenAt"], "state": state}


def _that_fit(rows: list[dict[str, str]], width: int) -> list[str]:
    """Return the columns that fit. Session, user and state always stay; their texts are folded if necessary."""
    columns = list(COLUMNS)
    for name in FIRST_TO_GO:
        if _width(rows, columns) <= width:
            break
        columns.remove(name)
    return columns


def _width(rows: list[dict[str, str]], columns: Iterable[str]) -> int:
    """Return the width of the table with its borders if no cell is folded."""
    return 1 + sum(max(cell_len(text) for text in (name, *(row[name] for row in rows))) + 3 for name in columns)


def _table(rows: list[dict[str, str]], columns: Iterable[str]) -> Table:
    """Make the table. Ids are not folded, so that they can be copied; other texts may be."""
    table = Table()
    for name in columns:
        table.add_column(name, no_wrap=name == "session", overflow="fold")
    for row in rows:
        table.add_row(*(row[name] for name in columns))
    return table


def session_facts(session: Session) -> dict[str, Any]:
    """Return a session, annotated with `checked_at`, as a JSON object: a format for machines; add, never rename."""
    refusal = session.refusal(session.checked_at)
    return {
        "session": str(session.pk),
        "user": session.user.username if session.user else None,
        "userId": session.user_id,
        "app": session.app.name,
        "platform": session.platform or None,
        "device": session.device_id,
        "ip": session.ip,
        "country": session.country,
        "city": session.city,
        "judgement": session.judgement,
        "userAgent": session.user_agent,
        "createdAt": _time(session.created_at),
        "lastSeenAt": _time(session.last_seen_at),
        "expiresAt": _time(session.expires_at),
        "refusal": refusal.value if refusal else None,
        "endedAt": _time(session.ended_at) if session.ended_at else None,
        "reason": session.end_reason or None,
        "endedBy": session.ended_by_id,
        "run": str(session.bulk_run_id) if session.bulk_run_id else None,
    }


def _time(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def _limit(text: str) -> int:
    if not text.isdecimal() or len(text) > 9:
        raise ArgumentTypeError(f"{text!r} is not a number of sessions, 0 or more")
    return int(text)
