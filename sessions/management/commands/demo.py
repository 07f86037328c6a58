"""Make demo users and sessions."""

from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.core.management.base import CommandError

from sessions.inspect.statistics import count_figures
from sessions.management.demo_data import analyze, count_demo, make_sessions, make_users
from sessions.management.operators import WRONG, OperatorCommand
from sessions.management.progress import progress

MOST = 10_000_000


class Command(OperatorCommand):
    help = (
        "Make demo users and sessions, to look at the admin or to test under load. Never in production: nothing "
        "removes them. The same numbers make the same rows; existing rows stay as they are."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--users", type=_number, default=200, metavar="N", help="how many users")
        parser.add_argument("--sessions", type=_number, default=1000, metavar="N", help="how many are live")
        parser.add_argument("--ended", type=_number, metavar="N", help="how many have ended; a quarter of --sessions")

    def handle(self, *args: Any, **options: Any) -> None:
        users, live = options["users"], options["sessions"]
        ended = live // 4 if options["ended"] is None else options["ended"]
        if not users:
            raise CommandError("--users: a session needs a user, so make at least one.", returncode=WRONG)
        for counts, total, label in (
            (make_users(users), users, "users"),
            (make_sessions(live, users=users), live, "live sessions"),
            (make_sessions(ended, users=users, ended=True), ended, "ended sessions"),
        ):
            for _ in progress(counts, total=total, label=label):
                pass
        analyze()
        count_figures(anew=True)  # the dashboard has already counted past days, without these sessions
        there = count_demo()
        self.stdout.write(
            f"There are {there.users} demo users with {there.live} live and {there.ended} ended sessions."
        )


def _number(text: str) -> int:
    if not text.isdecimal() or len(text) > len(str(MOST)) or int(text) > MOST:
        raise ArgumentTypeError(f"{text!r} is not a number from 0 to {MOST}")
    return int(text)
