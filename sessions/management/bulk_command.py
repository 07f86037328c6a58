"""Base class of `logout` and `restored`: show a preview, ask for confirmation, and end the sessions of a bulk run."""

import json
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.template.defaultfilters import pluralize

from sessions.bulk.preview import Preview
from sessions.bulk.resume import at_work
from sessions.bulk.runs import SelectionGrown, start_run
from sessions.liveness import live_sessions
from sessions.management.interrupts import noticing_signals
from sessions.management.operators import GROWN, INTERRUPTED, NOT_CONFIRMED, STOPPED, OperatorCommand, shown
from sessions.management.progress import progress
from sessions.models import BulkRun, EndReason, Session
from sessions.selection.describe import in_one_line
from users.clock import database_now
from users.models import User
from users.record.operator import operator_name

SAMPLE = 5


class BulkCommand(OperatorCommand):
    """A command that ends many sessions. `--json` prints objects: a format for machines; add, never rename."""

    as_json = False

    def show(self, found: Preview, interrupted: BulkRun | None) -> None:
        """Print the preview. Its digest stands for these filters and this count."""
        sample = [_facts_of(session) for session in found.sample(SAMPLE)]
        accepted = _count_accepted(found)
        if self.as_json:
            self.say(
                filters=found.selection.as_json(),
                count=found.count,
                users=found.users,
                accepted=accepted,
                sample=sample,
                digest=found.digest,
                cutOff=found.selection.cuts_off,
                goesOnWith=str(interrupted.pk) if interrupted else None,
            )
            return
        for line in _preview_lines(found, interrupted, accepted=accepted, sample=sample):
            self.stdout.write(line)

    def confirmed(self, found: Preview, digest: str | None, *, interrupted: BulkRun | None, may_ask: bool) -> int:
        """Return how many sessions the operator confirms. Few sessions need no confirmation. Raises: CommandError."""
        if digest is not None:
            return _confirmed_by_digest(found, digest)
        if found.count <= settings.BULK_CONFIRM_OVER:
            return found.count
        if not (may_ask and _is_terminal() and not self.as_json):
            told = f"{counts(found)}: look with --dry-run, pass its digest to --confirm."
            raise CommandError(told, returncode=NOT_CONFIRMED)
        self.show(found, interrupted)
        # Write to standard error, because standard output may go to a file.
        self.stderr.write(f"This ends {found.count} sessions. Type that number to go on: ", style_func=str, ending="")
        self.stderr.flush()
        if sys.stdin.readline().strip() != str(found.count):
            raise CommandError("Not confirmed; nothing was changed.", returncode=NOT_CONFIRMED)
        return found.count

    def start(
        self,
        found: Preview,
        *,
        note: str,
        expected: int,
        actor: User | None = None,
        reason: EndReason | None = None,
    ) -> BulkRun:
        """Store the order as a bulk run. Raises: CommandError, if there are many more sessions than expected."""
        try:
            return start_run(
                found.selection,
                source=BulkRun.Source.COMMAND,
                note=note,
                expected=expected,
                actor=actor,
                operator=operator_name(),
                reason=reason,
            )
        except SelectionGrown as error:
            raise CommandError(f"{error}. Nothing was changed; look again with --dry-run.", returncode=GROWN) from error

    def sweep(self, run: BulkRun, ended: Iterator[int]) -> None:
        """End the sessions of the run and report. Each item of ``ended`` ends a batch. Raises: CommandError."""
        if run.ended:
            self.tell(f"resuming {_in_words(run)}")
        if run.cut_off:
            self.tell(
                f"all refused from {run.as_of.isoformat(timespec='milliseconds')} on; the rows are now ended in batches"
            )
        tell = (lambda count: self.say(ended=count, of=run.expected)) if self.as_json else None
        with at_work(run.pk), noticing_signals() as is_interrupted, suppress(KeyboardInterrupt):
            for _ in progress(ended, total=run.expected, label="ended", tell=tell):
                if is_interrupted():
                    break
        run.refresh_from_db()
        if is_interrupted() and run.finished_at is None:
            told = f"interrupted after {run.ended} of {run.expected}; the same command resumes it."
            raise CommandError(told, returncode=INTERRUPTED)
        if run.stopped_at is not None and run.finished_at is None:
            who = shown(run.stopped_by.username) if run.stopped_by else "somebody"
            told = f"{who} stopped it in the admin after {run.ended} of {run.expected}; the same command continues it."
            raise CommandError(told, returncode=STOPPED)
        self.done(run, f"Ended {run.ended} session{pluralize(run.ended)}. Run {run.pk}")

    def done(self, run: BulkRun | None, text: str) -> None:
        if not self.as_json:
            self.stdout.write(text)
        elif run is None:
            self.say(run=None, ended=0, cutOff=False)
        else:
            self.say(run=str(run.pk), ended=run.ended, cutOff=run.cut_off)

    def tell(self, text: str) -> None:
        """Print a message about the progress: to standard error, or as JSON."""
        if self.as_json:
            self.say(news=text)
        else:
            self.stderr.write(text, style_func=str)  # not an error, so not red

    def say(self, **facts: Any) -> None:
        """Print a JSON object."""
        self.stdout.write(json.dumps(facts))
        self.stdout.flush()  # a program may be waiting for it


def counts(found: Preview) -> str:
    return f"{found.count} session{pluralize(found.count)} of {found.users} user{pluralize(found.users)}"


def _is_terminal() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()


def _count_accepted(found: Preview) -> int:
    """Count the sessions that would be accepted now. The others are open but refused, for example timed out."""
    now = database_now()
    return live_sessions(found.selection.queryset(now=now), now=now).count()


def _confirmed_by_digest(found: Preview, digest: str) -> int:
    expected = found.count_confirmed_by(digest)
    if expected is None:
        told = "--confirm: that is not the digest of these filters. Look again with --dry-run."
        raise CommandError(told, returncode=NOT_CONFIRMED)
    return expected


def _preview_lines(
    found: Preview, interrupted: BulkRun | None, *, accepted: int, sample: list[dict[str, Any]]
) -> Iterator[str]:
    yield f"Filters   {shown(in_one_line(found.selection))}"
    yield f"Would end {counts(found)}"
    if accepted < found.count:
        why = "timed out, cut off, the user is disabled, or the app is switched off"
        yield f"          {found.count - accepted} of them are refused already: {why}"
    if found.selection.cuts_off and found.count:
        yield "          all of them are refused at once, then ended in batches"
    if interrupted is not None:
        yield f"          resumes {_in_words(interrupted)}"
    for facts in sample:
        words = [shown(facts[name] or "-") for name in ("user", "app", "platform", "ip")]
        yield f"  {facts['session']}  {'  '.join(words)}  last seen {facts['lastSeenAt']}"
    if found.count > len(sample):
        yield f"  … and {found.count - len(sample)} more"
    yield f"digest: {found.digest}"


def _in_words(run: BulkRun) -> str:
    return f"the run of {run.started_at:%Y-%m-%d %H:%M:%S} UTC, which had ended {run.ended} of {run.expected}"


def _facts_of(session: Session) -> dict[str, Any]:
    return {
        "session": str(session.pk),
        "user": session.user.username if session.user else None,
        "app": session.app.name,
        "platform": session.platform,
        "ip": session.ip,
        "lastSeenAt": session.last_seen_at.isoformat(timespec="seconds"),
    }
