"""Say who can still act as a user."""

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from sessions.artefacts import artefacts_of
from users.credentials import find_user_by_identity
from users.models import User


class Command(BaseCommand):
    help = (
        "List every artefact that would be accepted as this user at this moment. "
        "Exit codes: 0 there is one, 1 there is none, 2 there is no such user."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("user", metavar="USER", help="a user name, an email, a phone number or an id")
        parser.add_argument("--json", action="store_true", help="one JSON object for each of them")

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(pk=options["user"]).first() or find_user_by_identity(options["user"])
        if user is None:
            raise CommandError(f"There is no user {options['user']!r}.", returncode=2)
        found = artefacts_of(user)
        for artefact in found:
            until = f"{artefact.until:%Y-%m-%d %H:%M} UTC" if artefact.until else None
            session = str(artefact.session.pk) if artefact.session else None
            if options["json"]:
                facts = {"kind": artefact.kind, "detail": artefact.detail, "until": until, "session": session}
                self.stdout.write(json.dumps(facts))
            else:
                end = f", until {until}" if until else ""
                self.stdout.write(
                    f"{artefact.kind:14}{artefact.detail}{end}{f', session {session}' if session else ''}"
                )
        if not found:
            if not options["json"]:
                self.stdout.write(f"Nobody can act as {user.username}: nothing of theirs would be accepted.")
            sys.exit(1)
