"""Correct a restored backup: end again what had ended."""

import sys
from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from sessions.bulk.preview import Preview
from sessions.bulk.runs import SelectionGrown, find_interrupted, start_run, sweep_run
from sessions.bulk.selection import Selection
from sessions.management.commands.logout import Command as LogoutCommand
from sessions.management.commands.logout import operator_name
from sessions.management.operators import GROWN, WRONG
from sessions.models import BulkRun, EndReason
from sessions.restore.ended_file import Record, RecordError, read_record
from sessions.restore.guard import CannotBeServed, Seen, mark, read_file, set_mark_above
from sessions.restore.undo import Undone, end_undone, find_undone, refuse_undone
from users.reset_codes import forget_all_codes

NOTE = "restored from a backup"


class Command(LogoutCommand):
    help = (
        "Run this after a backup was restored and before a server starts. It refuses everything that was opened "
        "before: everybody has to log in again. With a record of endings it ends what the record names; others stay "
        "logged in. Safe to repeat. Exit codes as of logout; 2: the record is not complete, nothing was changed."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--ended", metavar="FILE", help="what manage.py ended has exported; - is standard input")
        parser.add_argument("--reason", metavar="TEXT", default="", help="for the record; it says what happened anyway")
        parser.add_argument("--dry-run", action="store_true", help="show what would end, and change nothing")
        parser.add_argument("--confirm", metavar="DIGEST", help="the digest of the dry run; not with --ended")
        parser.add_argument("--json", action="store_true", help="print one JSON object for each line of news")

    def handle(self, *args: Any, **options: Any) -> None:
        self.as_json = options["json"]
        self.note = ": ".join(filter(None, (NOTE, options["reason"].strip())))
        _check_tables()
        seen = self._seen()
        if options["ended"] is None:
            done = self._log_everybody_out(options)
        else:
            record = _read(options["ended"])
            _check_reaches_back(record)
            done = self._end_again(record, seen, dry_run=options["dry_run"])
        if done:
            forget_all_codes()
            self._set_mark(seen)

    def _log_everybody_out(self, options: dict[str, Any]) -> bool:
        found = Preview(Selection(everyone=True))
        interrupted = find_interrupted(found.selection, source=BulkRun.Source.COMMAND)
        if options["dry_run"]:
            self._show(found, interrupted)
            return False
        if interrupted is None and found.is_empty():
            self._done(None, "No session is open.")
            return True
        may_ask = sys.stdin is not None and sys.stdin.isatty() and not self.as_json
        expected = self._confirmed(found, options["confirm"], interrupted=interrupted, may_ask=may_ask)
        try:
            run = start_run(
                found.selection,
                source=BulkRun.Source.COMMAND,
                note=self.note,
                expected=expected,
                operator=operator_name(),
            )
        except SelectionGrown as error:
            raise CommandError(f"{error}. Nothing was changed; look again with --dry-run.", returncode=GROWN) from error
        self._sweep(run, sweep_run(run, reason=EndReason.RESTORED))
        return True

    def _end_again(self, record: Record, seen: Seen | None, *, dry_run: bool) -> bool:
        undone = find_undone(record)
        self._show_undone(undone, dry_run=dry_run)
        self._warn(record, seen, undone)
        if dry_run:
            return False
        run = refuse_undone(undone, record, note=self.note, operator=operator_name())
        self._sweep(run, end_undone(undone, run))
        return True

    def _show_undone(self, undone: Undone, *, dry_run: bool) -> None:
        if self.as_json:
            self._say(dryRun=dry_run, **undone.counts())
            return
        would = "would " if dry_run else ""
        counts = undone.counts()
        self.stdout.write(f"{would}end {counts['sessions']} sessions that are open again")
        self.stdout.write(f"{would}delete {counts['deleted']} users, disable {counts['disabled']}")
        self.stdout.write(
            f"{would}take {counts['passwords']} passwords away that had been changed; they are reset by mail"
        )
        if counts["apps"]:
            self.stdout.write(f"{would}switch {counts['apps']} apps off")

    def _warn(self, record: Record, seen: Seen | None, undone: Undone) -> None:
        until = f"{seen.at:%Y-%m-%d %H:%M:%S} UTC, when this server was up last," if seen else "the restore"
        self._tell(
            f"The record ends at {record.exported_at:%Y-%m-%d %H:%M:%S} UTC. "
            f"Users who logged out between that and {until} are logged in again: the record does not name them."
        )
        self._tell(
            "Emails, names, rights, keys of apps, and passwords that the record does not name are those of the backup."
        )
        if lost := undone.without_email():
            self._tell(f"{lost} of those whose password is taken away have no email: staff must help them.")

    def _set_mark(self, seen: Seen | None) -> None:
        number = set_mark_above(seen)
        if self.as_json:
            self._say(mark=number)
        else:
            self.stdout.write("Servers start again now.")

    def _seen(self) -> Seen | None:
        path = settings.RESTORE_GUARD
        try:
            seen = None if path is None else read_file(path)
        except CannotBeServed as error:
            self._tell(f"{error}. Delete it before the server starts.")
            return None
        if seen is None:
            self._tell(
                "This machine has no file of a server (RESTORE_GUARD): what its last mark was is not known here."
            )
        return seen


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
    found = mark()
    if found is None:
        raise CommandError(
            "--ended: the backup does not say when it was made: no server has counted its mark. Nothing was changed. "
            "Without --ended everybody is logged out.",
            returncode=WRONG,
        )
    if record.since > found.at:
        raise CommandError(
            f"--ended: the record begins at {_words(record.since)}, the backup is of {_words(found.at)}: what ended in "
            "between is missing. Nothing was changed. Use a record that begins earlier, or no --ended: then everybody "
            "is logged out.",
            returncode=WRONG,
        )


def _words(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"
