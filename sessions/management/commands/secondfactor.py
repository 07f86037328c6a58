"""Switch the second factor of a user off, for example after they have lost their phone and their recovery codes."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from sessions.factor import switch_off_factor
from sessions.management.operators import WRONG, OperatorCommand, shown
from users.identities import find_user_by_username
from users.models import User
from users.record.operator import operator_name
from users.second_factor.enabling import has_factor


class Command(OperatorCommand):
    help = (
        "Switch the second factor of a user off. Make sure first that it is really them who asks. "
        "Exit codes: 0 it is off, 2 there is no such user."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("order", choices=["off"], help="what to do")
        parser.add_argument("--user", required=True, metavar="USER", help="a user name or an id")
        parser.add_argument("--end-sessions", action="store_true", help="end all sessions of the user, too")
        parser.add_argument("--reason", default="", metavar="TEXT", help="why; it is recorded")
        parser.add_argument("--dry-run", action="store_true", help="change nothing, only say what would happen")

    def handle(self, *args: Any, **options: Any) -> None:
        user = _find(options["user"])
        if user is None:
            raise CommandError(f"There is no user {options['user']!r}.", returncode=WRONG)
        name, and_sessions = shown(user.username), options["end_sessions"]
        if options["dry_run"] and has_factor(user):
            ends = " All sessions of the user would end." if and_sessions else ""
            self.stdout.write(f"Would switch the second factor of {name} ({user.pk}) off.{ends}")
            return
        is_done = not options["dry_run"] and switch_off_factor(
            user, actor=None, operator=operator_name(), note=options["reason"], ends_sessions=and_sessions
        )
        if not is_done:
            self.stdout.write(f"{name} ({user.pk}) has no second factor. Nothing was changed.")
            return
        ended = " All sessions of the user have ended." if and_sessions else ""
        self.stdout.write(f"The second factor of {name} ({user.pk}) is off.{ended}")


def _find(name_or_id: str) -> User | None:
    return User.objects.filter(pk=name_or_id, deleted_at=None).first() or find_user_by_username(name_or_id)
