"""End the sessions that the filters select: the session of one stolen phone, or all sessions."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from sessions.bulk.orders import as_far_as_allowed
from sessions.bulk.preview import Preview
from sessions.bulk.runs import find_interrupted, sweep_run
from sessions.management.bulk_command import BulkCommand
from sessions.management.operators import WRONG, shown
from sessions.management.options import add_filters, reads_stdin, selection_of
from sessions.models import BulkRun
from sessions.selection.errors import SelectionError
from sessions.selection.selection import Selection
from sessions.selection.values import find_named
from users.models import User
from users.permissions import is_acting_staff, may_end_sessions


class Command(BulkCommand):
    help = (
        "End the sessions that the filters select. Exit codes: 0 done (or nothing to do), 1 it failed, "
        "2 a filter or an option is wrong, 3 not confirmed, 4 the selection has grown since the preview. "
        "After 2, 3 and 4 nothing was changed. 130 interrupted: the same command resumes where it stopped."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_filters(parser)
        parser.add_argument(
            "--as",
            metavar="STAFF",
            dest="staff",
            help="act as this member of staff (user name or id), with their permissions; the record names them",
        )
        parser.add_argument("--reason", metavar="TEXT", default="", help="why; required for more than one user")
        parser.add_argument("--dry-run", action="store_true", help="show what would end, and change nothing")
        parser.add_argument("--confirm", metavar="DIGEST", help="the digest of the dry run")
        parser.add_argument("--json", action="store_true", help="print each line of output as a JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        self.as_json = options["json"]
        actor = None if options["staff"] is None else _member_of_staff(options["staff"])
        found = Preview(_selection(options, actor))
        _check_allowed(found, actor)
        interrupted = find_interrupted(found.selection, source=BulkRun.Source.COMMAND, actor=actor)
        if options["dry_run"]:
            self.show(found, interrupted)
            return
        if interrupted is None and found.is_empty():
            self.done(None, "Nothing to do: all sessions of these filters have ended, or there is none.")
            return
        note = options["reason"].strip()
        if not note and found.is_of_many:
            raise CommandError("More than one user: say why, with --reason.", returncode=WRONG)
        expected = self.confirmed(found, options["confirm"], interrupted=interrupted, may_ask=not reads_stdin(options))
        run = self.start(found, note=note, expected=expected, actor=actor)
        self.sweep(run, sweep_run(run))


def _selection(options: dict[str, Any], actor: User | None) -> Selection:
    try:
        selection = selection_of(options)
    except SelectionError as error:
        raise CommandError(str(error), returncode=WRONG) from error
    return selection if actor is None else as_far_as_allowed(selection, actor=actor)


def _check_allowed(found: Preview, actor: User | None) -> None:
    """Check that ``actor`` may end the sessions. None is the operator, who may end any. Raises: CommandError."""
    if actor is not None and not may_end_sessions(actor, of_many=found.is_of_many):
        whom = "many users' sessions at once" if found.is_of_many else "other users' sessions"
        raise CommandError(f"--as: {shown(actor.username)} may not end {whom}.", returncode=WRONG)


def _member_of_staff(name: str) -> User:
    """Find the member of staff with that name or id. Raises: CommandError."""
    user = find_named(name)
    if user is None:
        raise CommandError(f"--as: there is no user {name[:50]!r}.", returncode=WRONG)
    if not is_acting_staff(user):
        raise CommandError(f"--as: {shown(user.username)} is not staff.", returncode=WRONG)
    return user
