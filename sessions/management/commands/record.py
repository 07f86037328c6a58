"""Print the security record."""

import json
from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.core.management.base import CommandError

from sessions.management.operators import WRONG, OperatorCommand, shown
from sessions.management.options import Once, argument
from sessions.selection.values import moment
from users.identities import find_user_by_identity
from users.models import SecurityEvent, User
from users.record.describing import describe
from users.record.events import Event, Kind
from users.record.reading import entries

BATCH = 1000


class Command(OperatorCommand):
    help = "Print what happened to an account, or to all of them, who ordered it and from where. Newest first."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--user", metavar="USER", help="a user name, an email, a phone number or an id")
        for option, meaning in (("--since", "at that time or later"), ("--until", "before that time")):
            told = f"only entries {meaning}, such as 2026-11-21T03:00Z"
            parser.add_argument(option, metavar="WHEN", type=argument(moment), action=Once, help=told)
        parser.add_argument(
            "--event",
            metavar="EVENT",
            type=_event,
            action="append",
            default=[],
            help=f"only this event, such as {Event.LOGIN_REFUSED}, or this kind: {', '.join(Kind.values)}",
        )
        parser.add_argument("--json", action="store_true", help="print each entry as a JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["user"] is None and options["since"] is None:
            raise CommandError("Say whose record, with --user, or from when on, with --since.", returncode=WRONG)
        wanted = options["event"]
        found = entries(
            user=_user(options["user"]),
            events=[each for each in wanted if isinstance(each, Event)],
            kinds=[each for each in wanted if isinstance(each, Kind)],
            since=options["since"],
            until=options["until"],
        )
        # With a cursor on the server: a million entries don't fit in memory.
        for entry in found.iterator(BATCH):
            self.stdout.write(json.dumps(entry_facts(entry)) if options["json"] else _in_one_line(entry))


def entry_facts(entry: SecurityEvent) -> dict[str, Any]:
    """Return an entry as a JSON object: a format for machines; add, never rename."""
    return {
        "id": entry.pk,
        "at": entry.at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "event": entry.event,
        "outcome": entry.outcome,
        "user": entry.user.username if entry.user else None,
        "userId": entry.user_id,
        "actor": entry.actor.username if entry.actor else None,
        "actorId": entry.actor_id,
        "operator": entry.operator or None,
        "session": str(entry.session_id) if entry.session_id else None,
        "app": entry.app.name if entry.app else None,
        "ip": entry.ip,
        "userAgent": entry.user_agent,
        "requestId": entry.request_id or None,
        "details": entry.details,
    }


def _in_one_line(entry: SecurityEvent) -> str:
    return f"{entry.at:%Y-%m-%d %H:%M:%S}Z  {entry.event:18}  {shown(describe(entry, to_staff=True))}"


def _event(text: str) -> Event | Kind:
    for values in (Event, Kind):
        if text in values:
            return values(text)
    raise ArgumentTypeError(f"{text!r} is no event and no kind of event")


def _user(text: str | None) -> User | None:
    """Return the user, deleted or not; None for None. Raises: CommandError."""
    if text is None:
        return None
    text = text.replace("\0", "")
    user = User.objects.filter(pk=text).first() or find_user_by_identity(text)
    if user is None:
        raise CommandError(f"There is no user {text!r}.", returncode=WRONG)
    return user
