"""End the sessions that the filters select: one stolen phone's, or everybody's."""

import getpass
import json
import signal
import socket
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.template.defaultfilters import pluralize

from sessions.bulk.describe import in_one_line
from sessions.bulk.orders import as_far_as_allowed, may_end
from sessions.bulk.preview import Preview
from sessions.bulk.runs import SelectionGrown, find_interrupted, start_run, sweep_run
from sessions.bulk.selection import SelectionError
from sessions.liveness import live_sessions
from sessions.management.operators import GROWN, INTERRUPTED, NOT_CONFIRMED, WRONG, OperatorCommand, shown
from sessions.management.options import add_filters, find_named, reads_stdin, selection_of
from sessions.management.progress import progress
from sessions.models import BulkRun, Session
from users.clock import database_now
from users.models import User
from users.permissions import is_acting_staff

SAMPLE = 5


class Command(OperatorCommand):
    help = (
        "End the sessions that the filters select. Exit codes: 0 done (or nothing to do), 1 it failed, "
        "2 a filter or an option is wrong, 3 not confirmed, 4 the selection has grown since the preview; "
        "then nothing was changed. 130 interrupted: the same command goes on where it stopped."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_filters(parser)
        parser.add_argument(
            "--as",
            metavar="STAFF",
            dest="staff",
            help="order it as that member of staff, by user name or id: within what they may do, on record as theirs",
        )
        parser.add_argument("--reason", metavar="TEXT", default="", help="why; needed for more than one user")
        parser.add_argument("--dry-run", action="store_true", help="show what would end, and change nothing")
        parser.add_argument("--confirm", metavar="DIGEST", help="the digest of the dry run")
        parser.add_argument("--json", action="store_true", help="print one JSON object for each line of news")

    def handle(self, *args: Any, **options: Any) -> None:
        self.as_json = options["json"]
        actor = None if options["staff"] is None else _member_of_staff(options["staff"])
        try:
            selection = selection_of(options)
        except SelectionError as error:
            raise CommandError(str(error), returncode=WRONG) from error
        found = Preview(selection if actor is None else as_far_as_allowed(selection, actor=actor))
        if actor is not None and not may_end(found, actor=actor):
            whom = "many users' sessions at once" if found.is_of_many else "other users' sessions"
            raise CommandError(f"--as: {shown(actor.username)} may not end {whom}.", returncode=WRONG)
        interrupted = find_interrupted(found.selection, source=BulkRun.Source.COMMAND, actor=actor)
        if options["dry_run"]:
            self._show(found, interrupted)
            return
        if interrupted is None and found.is_empty():
            self._done(None, "Nothing to do: all sessions of these filters have ended, or there is none.")
            return
        note = options["reason"].strip()
        if not note and found.is_of_many:
            raise CommandError("More than one user: say why, with --reason.", returncode=WRONG)
        may_ask = sys.stdin is not None and sys.stdin.isatty() and not self.as_json
        may_ask = may_ask and not reads_stdin(options)
        expected = self._confirmed(found, options["confirm"], interrupted=interrupted, may_ask=may_ask)
        try:
            run = start_run(
                found.selection,
                source=BulkRun.Source.COMMAND,
                note=note,
                expected=expected,
                actor=actor,
                operator=operator_name(),
            )
        except SelectionGrown as error:
            raise CommandError(f"{error}. Nothing was changed; look again with --dry-run.", returncode=GROWN) from error
        self._sweep(run, sweep_run(run))

    def _show(self, found: Preview, interrupted: BulkRun | None) -> None:
        """The preview, which is a contract: the digest stands for these filters and this count."""
        now = database_now()
        accepted = live_sessions(found.selection.queryset(now=now), now=now).count()
        sample = [_line(session) for session in found.sample(SAMPLE)]
        if self.as_json:
            facts = {"filters": found.selection.as_json(), "count": found.count, "users": found.users}
            goes_on = str(interrupted.pk) if interrupted else None
            self._say(
                **facts,
                accepted=accepted,
                sample=sample,
                digest=found.digest,
                cutOff=found.selection.cuts_off,
                goesOnWith=goes_on,
            )
            return
        self.stdout.write(f"Filters   {shown(in_one_line(found.selection))}")
        self.stdout.write(f"Would end {_counts(found)}")
        if accepted < found.count:
            refused = "timed out, cut off, or of a user or an app that is switched off"
            self.stdout.write(f"          {found.count - accepted} of them are refused already: {refused}")
        if found.selection.cuts_off and found.count:
            self.stdout.write("          all of them refused at once, then swept row by row")
        if interrupted is not None:
            self.stdout.write(f"          goes on with {_of(interrupted)}")
        for facts in sample:
            words = [shown(facts[name] or "-") for name in ("user", "app", "platform", "ip")]
            self.stdout.write(f"  {facts['session']}  {'  '.join(words)}  last seen {facts['lastSeenAt']}")
        if found.count > len(sample):
            self.stdout.write(f"  … and {found.count - len(sample)} more")
        self.stdout.write(f"digest: {found.digest}")

    def _confirmed(self, found: Preview, digest: str | None, *, interrupted: BulkRun | None, may_ask: bool) -> int:
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
        if not may_ask:
            raise CommandError(
                f"{_counts(found)}: look with --dry-run, pass its digest to --confirm.",
                returncode=NOT_CONFIRMED,
            )
        self._show(found, interrupted)
        # Where it is seen, whatever becomes of the output.
        self.stderr.write(f"This ends {found.count} sessions. Type that number to go on: ", style_func=str, ending="")
        self.stderr.flush()
        if sys.stdin.readline().strip() != str(found.count):
            raise CommandError("Not confirmed; nothing was changed.", returncode=NOT_CONFIRMED)
        return found.count

    def _sweep(self, run: BulkRun, counts: Iterator[int]) -> None:
        if run.ended:
            self._tell(f"going on with {_of(run)}")
        if run.cut_off:
            self._tell(f"all refused from {run.as_of.isoformat(timespec='milliseconds')} on; now the rows")
        stopped: list[int] = []

        def stop(number: int, _: Any) -> None:
            # The batch at hand is finished, for it is whole or not at all; who asks again need not wait for it.
            if stopped:
                raise KeyboardInterrupt
            stopped.append(number)

        before = {number: signal.signal(number, stop) for number in _SIGNALS}
        tell = (lambda ended: self._say(ended=ended, of=run.expected)) if self.as_json else None
        try:
            for _ in progress(counts, total=run.expected, label="ended", tell=tell):
                if stopped:
                    break
        except KeyboardInterrupt:
            pass
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        run.refresh_from_db()
        if stopped and run.finished_at is None:
            raise CommandError(
                f"interrupted after {run.ended} of {run.expected}; the same command goes on.", returncode=INTERRUPTED
            )
        self._done(run, f"Ended {run.ended} session{pluralize(run.ended)}. Run {run.pk}")

    def _done(self, run: BulkRun | None, text: str) -> None:
        if not self.as_json:
            self.stdout.write(text)
        elif run is None:
            self._say(run=None, ended=0, cutOff=False)
        else:
            self._say(run=str(run.pk), ended=run.ended, cutOff=run.cut_off)

    def _tell(self, text: str) -> None:
        if self.as_json:
            self._say(news=text)
        else:
            self.stderr.write(text, style_func=str)  # no error, so not in red

    def _say(self, **facts: Any) -> None:
        self.stdout.write(json.dumps(facts))
        self.stdout.flush()  # who reads it waits for it


def _member_of_staff(name: str) -> User:
    """Raises: CommandError, when nobody has that name or id, or they are not staff."""
    user = find_named(name)
    if user is None:
        raise CommandError(f"--as: there is no user {name[:50]!r}.", returncode=WRONG)
    if not is_acting_staff(user):
        raise CommandError(f"--as: {shown(user.username)} is not staff.", returncode=WRONG)
    return user


_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def _of(run: BulkRun) -> str:
    return f"the run of {run.started_at:%Y-%m-%d %H:%M:%S} UTC, which had ended {run.ended} of {run.expected}"


def _counts(found: Preview) -> str:
    return f"{found.count} session{pluralize(found.count)} of {found.users} user{pluralize(found.users)}"


def _line(session: Session) -> dict[str, Any]:
    return {
        "session": str(session.pk),
        "user": session.user.username if session.user else None,
        "app": session.app.name,
        "platform": session.platform,
        "ip": session.ip,
        "lastSeenAt": session.last_seen_at.isoformat(timespec="seconds"),
    }


def operator_name() -> str:
    """The caller of the command, as user@host."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        name = "unknown"
    return f"{name}@{socket.gethostname()}"[:200]
