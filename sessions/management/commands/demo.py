"""Make demo users and sessions."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from sessions.demo_data import analyze, make_sessions, make_users
from sessions.management.progress import progress


class Command(BaseCommand):
    help = "Make users and sessions of nobody, to look at or for load. The same numbers make the same ones again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--users", type=int, default=200, metavar="N")
        parser.add_argument("--sessions", type=int, default=1000, metavar="N", help="live ones")
        parser.add_argument("--ended", type=int, default=None, metavar="N", help="ended ones (a quarter of --sessions)")

    def handle(self, *args: Any, **options: Any) -> None:
        users, live = options["users"], options["sessions"]
        ended = live // 4 if options["ended"] is None else options["ended"]
        if users < 1 or live < 0 or ended < 0:
            raise CommandError("At least one user, and no fewer than no sessions.", returncode=2)
        for counts, total, label in (
            (make_users(users), users, "users"),
            (make_sessions(live, users=users), live, "live sessions"),
            (make_sessions(ended, users=users, ended=True), ended, "ended sessions"),
        ):
            for _ in progress(counts, total=total, label=label):
                pass
        analyze()
        self.stdout.write(f"There are {users} demo users with {live} live and {ended} ended sessions.")
