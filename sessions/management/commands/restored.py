"""Correct a restored backup: end again what had ended."""

import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from sessions.bulk.preview import Preview
from sessions.bulk.runs import find_interrupted, sweep_run
from sessions.jobs.table import forget_all_jobs
from sessions.management.bulk_command import BulkCommand
from sessions.management.operators import WRONG
from sessions.models import BulkRun, EndReason
from sessions.notices.writing import begin_era
from sessions.restore.ended_file import Record, RecordError, read_record
from sessions.restore.guard import CannotBeServed, Seen, mark, read_file, set_mark_above
from sessions.restore.undo import Undone, end_undone, find_undone, refuse_undone
from sessions.selection.selection import Selection
from users.one_use_links import forget_all_links
from users.record.operator import operator_name
from users.reset_codes import forget_all_codes

NOTE = "restored from a backup"


class Command(BulkCommand):
    help = (
        "Run this after you have restored a backup and before a server starts. It refuses every session that was "
        "opened before: everybody has to log in again. With a record of endings it ends what the record names; other "
        "users stay logged in. Safe to repeat. Exit codes are those of logout; 2: the record is not complete, nothing "
        "was changed."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--ended", metavar="FILE", help="the record from manage.py ended; - is standard input")
        parser.add_argument("--reason", metavar="TEXT", default="", help="more words for the record of this run")
        parser.add_argument("--dry-run", action="store_true", help="show what would end, and change nothing")
        parser.add_argument("--confirm", metavar="DIGEST", help="the digest of the dry run; not with --ended")
        parser.add_argument("--json", action="store_true", help="print each line of output as a JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        self.as_json = options["json"]
        self.note = ": ".join(filter(None, (NOTE, options["reason"].strip())))
        _check_tables()
        seen = self._seen()
        if options["ended"] is None:
            is_done = self._log_everybody_out(options)
        else:
            record = _read(options["ended"])
            _check_reaches_back(record)
            is_done = self._end_again(record, seen, dry_run=options["dry_run"])
        if is_done:
            forget_all_codes()
            forget_all_links()
            forget_all_jobs()
            begin_era()
            self._set_mark(seen)

    def _log_everybody_out(self, options: dict[str, Any]) -> bool:
        """Log everybody out. Returns: False for a dry run."""
        found = Preview(Selection(everyone=True))
        interrupted = find_interrupted(found.selection, source=BulkRun.Source.COMMAND)
        if options["dry_run"]:
            self.show(found, interrupted)
            return False
        if interrupted is None and found.is_empty():
            self.done(None, "No session is open.")
            return True
        expected = self.confirmed(found, options["confirm"], interrupted=interrupted, may_ask=True)
        run = self.start(found, note=self.note, expected=expected, reason=EndReason.RESTORED)
        self.sweep(run, sweep_run(run))
        return True

    def _end_again(self, record: Record, seen: Seen | None, *, dry_run: bool) -> bool:
        """End what the record names. Returns: False for a dry run."""
        undone = find_undone(record)
        self._show_undone(undone, dry_run=dry_run)
        for warning in _warnings(record, seen, undone):
            self.tell(warning)
        if dry_run:
            return False
        run = refuse_undone(undone, record, note=self.note, operator=operator_name())
        self.sweep(run, end_undone(undone, run))
        return True

    def _show_undone(self, undone: Undone, *, dry_run: bool) -> None:
        counts = undone.counts()
        if self.as_json:
            self.say(dryRun=dry_run, **counts)
            return
        would = "would " if dry_run else ""
        self.stdout.write(f"{would}end {counts['sessions']} sessions that are open again")
        self.stdout.write(f"{would}delete {counts['deleted']} users, disable {counts['disabled']}")
        self.stdout.write(f"{would}remove {counts['passwords']} passwords changed since; users reset them by mail")
        if counts["apps"]:
            self.stdout.write(f"{would}switch {counts['apps']} apps off")

    def _set_mark(self, seen: Seen | None) -> None:
        number = set_mark_above(seen)
        if self.as_json:
            self.say(mark=number)
        else:
            self.stdout.write("Servers start again now.")

    def _seen(self) -> Seen | None:
        """Return the last mark in the file of the server on this machine, or None."""
        path = settings.RESTORE_GUARD
        try:
            seen = None if path is None else read_file(path)
        except CannotBeServed as error:
            self.tell(f"{error}. Delete it before the server starts.")
            return None
        if seen is None:
            self.tell("This machine has no file of a server (RESTORE_GUARD): the server's last mark is not known here.")
        return seen


def _warnings(record: Record, seen: Seen | None, undone: Undone) -> Iterator[str]:
    """Yield warnings about what a record of endings can't correct."""
    until = f"{_in_words(seen.at)}, when this server was up last," if seen else "the restore"
    yield (
        f"The record ends at {_in_words(record.exported_at)}. "
        f"Users who logged out between that and {until} are logged in again: the record does not name them."
    )
    yield "Emails, names, permissions and app keys are as in the backup. So are other passwords."
    if lost := undone.without_email():
        yield f"{lost} of the users whose password was removed have no email: staff must help them."


def _check_tables() -> None:
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise CommandError("The backup has older tables. First run: manage.py migrate", returncode=WRONG)


def _read(path: str) -> Record:
    is_stdin = path == "-"
    try:
        with open(sys.stdin.fileno() if is_stdin else path, encoding="utf-8", closefd=not is_stdin) as file:
            return read_record(file)
    except (OSError, UnicodeDecodeError, RecordError) as error:
        raise CommandError(f"--ended: {path}: {error}. Nothing was changed.", returncode=WRONG) from error


def _check_reaches_back(record: Record) -> None:
    """Check that the record begins before the backup was made. Raises: CommandError."""
    found = mark()
    if found is None:
        raise CommandError(
            "--ended: the backup does not say when it was made: no server has written a mark to it. Nothing was "
            "changed. Without --ended everybody is logged out.",
            returncode=WRONG,
        )
    if record.since > found.at:
        raise CommandError(
            f"--ended: the record begins at {_in_words(record.since)}, the backup was made at {_in_words(found.at)}: "
            "what ended in between is missing. Nothing was changed. Use a record that begins earlier, or no --ended: "
            "then everybody is logged out.",
            returncode=WRONG,
        )


def _in_words(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"
