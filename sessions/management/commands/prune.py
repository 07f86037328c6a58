"""Delete rows whose retention is over."""

import json
from argparse import ArgumentParser, ArgumentTypeError
from datetime import timedelta
from typing import Any

from django.conf import settings

from sessions.management.operators import OperatorCommand
from sessions.management.options import argument
from sessions.management.progress import progress
from sessions.restore.guard import note_pruned
from sessions.selection.values import duration
from sessions.upkeep.retention import prunable, prune
from users.clock import database_now


class Command(OperatorCommand):
    help = (
        "Delete ended sessions, security events and crash reports whose retention is over, and refresh tokens, "
        "blacklist entries, reset codes, links in mails and throttles that expired more than a day ago. Works in "
        "batches. Safe to run from cron, and twice at the same time."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--keep",
            type=_keep,
            metavar="TIME",
            help="how long to keep ended sessions, such as 90d (SESSION_RETENTION)",
        )
        parser.add_argument("--dry-run", action="store_true", help="count the rows, and delete nothing")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        keep = options["keep"] or settings.SESSION_RETENTION
        tell = (lambda _: None) if options["json"] else None
        deleted = {}
        ended_before = database_now() - keep
        if not options["dry_run"]:
            note_pruned(ended_before)
        for what in prunable(ended_before=ended_before):
            deleted[what.kind] = total = what.rows.count()
            if total and not options["dry_run"]:
                deleted[what.kind] = max(progress(prune(what), total=total, label=what.kind, tell=tell), default=0)
        if options["json"]:
            counts = {_camel_case(kind): count for kind, count in deleted.items()}
            self.stdout.write(json.dumps({"dryRun": options["dry_run"], **counts}))
            return
        for kind, count in deleted.items():
            self.stdout.write(f"{'would delete' if options['dry_run'] else 'deleted'} {count} {kind}")


def _keep(text: str) -> timedelta:
    keep = argument(duration)(text)
    if keep < timedelta(days=1):
        raise ArgumentTypeError(
            f"{text!r} is less than 1d: for a while the record must say who ended which session, and why"
        )
    return keep


def _camel_case(words: str) -> str:
    first, *others = words.split()
    return first + "".join(word.capitalize() for word in others)
