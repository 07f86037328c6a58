"""Delete what is past its retention."""

import json
from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from sessions.management.filters import duration
from sessions.management.progress import progress
from sessions.prune import prunable, prune


class Command(BaseCommand):
    help = (
        "Delete ended sessions past their retention, and refresh tokens, blacklist entries, reset codes, throttles and "
        "browser sessions that have expired. In batches; safe to run from cron, twice at a time, too."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--keep",
            type=duration,
            default=timedelta(days=90),
            metavar="TIME",
            help="ended sessions, such as 90d (90d)",
        )
        parser.add_argument("--dry-run", action="store_true", help="show how many there are, and delete nothing")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        deleted = {}
        for kind, rows in prunable(ended_before=timezone.now() - options["keep"]).items():
            total = rows.count()
            deleted[kind] = total
            if total and not options["dry_run"]:
                counts = progress(prune(rows), total=total, label=kind, quiet=options["json"])
                deleted[kind] = max(counts, default=0)
        if options["json"]:
            self.stdout.write(json.dumps({"dryRun": options["dry_run"], **deleted}))
            return
        for kind, count in deleted.items():
            self.stdout.write(f"{'would delete' if options['dry_run'] else 'deleted'} {count} {kind}")
