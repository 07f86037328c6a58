"""Export the record of endings."""

import json
from argparse import ArgumentParser
from collections import Counter
from typing import Any

from django.core.management.base import CommandError

from sessions.management.operators import WRONG, OperatorCommand
from sessions.management.options import Once, argument
from sessions.restore.ended_file import Kind, RecordError, export_record
from sessions.selection.values import moment

_WORDS = {
    Kind.SESSION: "sessions that ended, or that an order refuses",
    Kind.USER_DELETED: "users deleted",
    Kind.USER_DISABLED: "users who are disabled, whenever that was",
    Kind.PASSWORD_CHANGED: "users whose password changed",
    Kind.APP_DISABLED: "apps that are switched off, whenever that was",
}


class Command(OperatorCommand):
    help = (
        "Export what has ended since a time. After you have restored a backup, manage.py restored --ended FILE ends it "
        "again. The record holds ids and times only. Keep it apart from the database: docs/backup.md."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--since",
            metavar="WHEN",
            type=argument(moment),
            action=Once,
            required=True,
            help="when the backup was started, or earlier; ISO 8601; UTC if it names no time zone",
        )
        parser.add_argument(
            "--until", metavar="WHEN", type=argument(moment), action=Once, help="the end of that time (now)"
        )
        parser.add_argument(
            "--json", action="store_true", help="print the record, one JSON object per line; without it, counts"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        since, until = options["since"], options["until"]
        if until is not None and until <= since:
            raise CommandError("--until: it is not after --since.", returncode=WRONG)
        counts: Counter[str] = Counter()
        try:
            for line in export_record(since=since, until=until):
                if options["json"]:
                    self.stdout.write(json.dumps(line))
                elif "kind" in line:
                    counts[line["kind"]] += 1
        except RecordError as error:
            raise CommandError(f"--since: {error}", returncode=WRONG) from error
        if not options["json"]:
            for kind, words in _WORDS.items():
                self.stdout.write(f"{counts[kind]:>9,} {words}")
