"""List sessions, or count them."""

import json
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterable
from datetime import datetime
from typing import Any, TextIO, cast

from django.core.management.base import CommandError
from django.db.models import QuerySet
from rich.console import Console
from rich.table import Table

from sessions.live import live_sessions
from sessions.management.filters import add_filters, is_filtered, selection_of
from sessions.management.operators import WRONG, OperatorCommand, shown
from sessions.models import Session
from sessions.selection import SelectionError
from users.clock import DatabaseNow, database_now

# A table is laid out as a whole, so it has to be held as a whole.
MOST_IN_TABLE = 10_000


class Command(OperatorCommand):
    help = "List the sessions that the filters select, newest first; without a filter, all of them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_filters(parser)
        state = parser.add_mutually_exclusive_group()
        state.add_argument("--live", action="store_true", help="only those that would be accepted now")
        state.add_argument("--ended", action="store_true", help="only those that have ended")
        parser.add_argument("--count", action="store_true", help="print how many there are, and nothing else")
        parser.add_argument(
            "--limit",
            type=_limit,
            default=100,
            metavar="N",
            help=f"of the newest; 0: all of them, in a table up to {MOST_IN_TABLE} (100)",
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
            # From the server's cursor: a million are never held at once.
            for session in rows[:limit].iterator(1000):
                self.stdout.write(json.dumps(session_facts(session)))
            return
        limit = min(limit or MOST_IN_TABLE, MOST_IN_TABLE)
        listed = list(rows[: limit + 1])
        self._print_table(listed[:limit])
        if len(listed) > limit:
            self.stdout.write(f"These are the newest {limit}. There are more: --limit N, or --limit 0 --json for all.")

    def _print_table(self, sessions: Iterable[Session]) -> None:
        table = Table(*("session", "user", "app", "platform", "IP", "created", "last seen", "state"))
        for session in sessions:
            facts = session_facts(session)
            state = f"{facts['reason']}, {facts['endedAt']}" if facts["endedAt"] else facts["refusal"] or "live"
            table.add_row(
                *(shown(facts[name] or "-") for name in ("session", "user", "app", "platform", "ip")),
                *(facts["createdAt"], facts["lastSeenAt"], state),
            )
        out = cast(TextIO, self.stdout)
        # As wide as the terminal; nothing is cut off where a program or a file reads it. No markup: a
        # platform may be called "[/]".
        console = Console(file=out, width=None if out.isatty() else 200, markup=False, emoji=False, highlight=False)
        with console.capture() as printed:
            console.print(table)
        self.stdout.write(printed.get(), ending="")

    def _sessions(self, options: dict[str, Any]) -> QuerySet[Session]:
        """Raises: CommandError."""
        now = database_now()
        try:
            sessions = selection_of(options).queryset(now=now) if is_filtered(options) else Session.objects.all()
        except SelectionError as error:
            raise CommandError(str(error), returncode=WRONG) from error
        if options["live"]:
            return live_sessions(sessions, now=now)
        return sessions.filter(ended_at__isnull=False) if options["ended"] else sessions


def session_facts(session: Session) -> dict[str, Any]:
    """A session, annotated with `checked_at`, as one JSON object: a format for machines; add, never rename."""
    refusal = session.refusal(session.checked_at)
    return {
        "session": str(session.pk),
        "user": session.user.username if session.user else None,
        "userId": session.user_id,
        "app": session.app.name,
        "platform": session.platform or None,
        "device": session.device_id,
        "ip": session.ip,
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
