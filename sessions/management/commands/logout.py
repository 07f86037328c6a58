"""End the sessions that the filters select: one stolen phone's, or everybody's."""

import getpass
import json
import signal
import socket
import sys
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from sessions.bulk import Preview, SelectionGrown, preview, start_run, sweep_run
from sessions.management.filters import add_filters, selection_of
from sessions.management.progress import progress
from sessions.models import BulkRun, Session
from sessions.selection import SelectionError

SAMPLE = 5
WRONG_FILTER, NOT_CONFIRMED, GROWN, INTERRUPTED = 2, 3, 4, 130


class Command(BaseCommand):
    help = (
        "End the sessions that the filters select. Exit codes: 0 done (or nothing to do), 1 it failed, "
        "2 a filter or an option is wrong, 3 not confirmed, 4 the selection has grown since the preview, "
        "130 interrupted (the same command goes on where it stopped)."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_filters(parser)
        parser.add_argument("--reason", metavar="TEXT", default="", help="why; needed for more than one user")
        parser.add_argument("--dry-run", action="store_true", help="show what would end, and change nothing")
        parser.add_argument("--confirm", metavar="DIGEST", help="the digest of the dry run")
        parser.add_argument("--json", action="store_true", help="print one JSON object for each line of news")

    def handle(self, *args: Any, **options: Any) -> None:
        self.as_json = options["json"]
        try:
            found = preview(selection_of(options))
        except SelectionError as error:
            raise CommandError(str(error), returncode=WRONG_FILTER) from error
        if options["dry_run"] or not found.count:
            self._show(found)
            return
        if found.users != 1 and not options["reason"].strip():
            raise CommandError("More than one user: say why, with --reason.", returncode=WRONG_FILTER)
        expected = self._confirmed(found, options["confirm"])
        try:
            run = start_run(
                found.selection,
                source=BulkRun.Source.COMMAND,
                note=options["reason"].strip(),
                expected=expected,
                operator=_operator(),
            )
        except SelectionGrown as error:
            raise CommandError(f"{error}. Nothing was changed; look again with --dry-run.", returncode=GROWN) from error
        self._sweep(run)

    def _show(self, found: Preview) -> None:
        """The preview, which is a contract: the digest stands for these filters and this count."""
        sample = [_line(session) for session in found.sample(SAMPLE)]
        if self.as_json:
            facts = {"filters": found.selection.as_json(), "count": found.count, "users": found.users}
            self._say(**facts, sample=sample, digest=found.digest, cutOff=found.selection.cuts_off)
            return
        self.stdout.write(f"Filters   {found.selection}")
        self.stdout.write(f"Would end {found.count} sessions of {found.users} users")
        if found.selection.cuts_off and found.count:
            self.stdout.write("          all of them refused at once, then swept row by row")
        for facts in sample:
            words = [str(facts[name] or "-") for name in ("user", "app", "platform", "ip")]
            self.stdout.write(f"  {facts['session']}  {'  '.join(words)}  last seen {facts['lastSeenAt']}")
        if found.count > len(sample):
            self.stdout.write(f"  … and {found.count - len(sample)} more")
        self.stdout.write(f"digest: {found.digest}")

    def _confirmed(self, found: Preview, digest: str | None) -> int:
        """How many sessions the operator knows of. Raises: CommandError."""
        if digest is not None:
            expected = found.count_confirmed_by(digest)
            if expected is None:
                raise CommandError(
                    "--confirm: that is not the digest of these filters. Look again with --dry-run.",
                    returncode=NOT_CONFIRMED,
                )
            return expected
        if found.count <= settings.BULK_CONFIRM_OVER:
            return found.count
        if not sys.stdin.isatty():
            raise CommandError(
                f"{found.count} sessions of {found.users} users: look with --dry-run, pass its digest to --confirm.",
                returncode=NOT_CONFIRMED,
            )
        self._show(found)
        typed = input(f"This ends {found.count} sessions. Type that number to go on: ")
        if typed.strip() != str(found.count):
            raise CommandError("Not confirmed; nothing was changed.", returncode=NOT_CONFIRMED)
        return found.count

    def _sweep(self, run: BulkRun) -> None:
        if run.ended:
            self._tell(f"going on with the run of {run.started_at:%Y-%m-%d %H:%M:%S} UTC, which had ended {run.ended}")
        elif run.cut_off:
            self._tell(f"all refused from {run.started_at.isoformat(timespec='milliseconds')} on; now the rows")
        # A signal between two batches: the one at hand is finished, for it is whole or not at all.
        stopped: list[int] = []
        before = {number: signal.signal(number, lambda got, _: stopped.append(got)) for number in _SIGNALS}
        try:
            for _ in progress(sweep_run(run), total=run.expected, label="ended", quiet=self.as_json):
                if stopped:
                    break
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        run.refresh_from_db()
        if stopped and run.finished_at is None:
            raise CommandError(
                f"interrupted after {run.ended} of {run.expected}; the same command goes on.", returncode=INTERRUPTED
            )
        if self.as_json:
            self._say(run=str(run.pk), ended=run.ended, cutOff=run.cut_off)
        else:
            self.stdout.write(f"Ended {run.ended} sessions. Run {run.pk}")

    def _tell(self, text: str) -> None:
        self.stderr.write(text) if not self.as_json else self._say(news=text)

    def _say(self, **facts: Any) -> None:
        self.stdout.write(json.dumps(facts))


_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def _line(session: Session) -> dict[str, Any]:
    return {
        "session": str(session.pk),
        "user": session.user.username if session.user else None,
        "app": session.app.name,
        "platform": session.platform,
        "ip": session.ip,
        "lastSeenAt": session.last_seen_at.isoformat(timespec="seconds"),
    }


def _operator() -> str:
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        name = "unknown"
    return f"{name}@{socket.gethostname()}"[:200]
