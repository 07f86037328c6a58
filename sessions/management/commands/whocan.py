"""Say who can still act as a user."""

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from sessions.inspect.credentials import Artefact, artefacts_of
from sessions.management.operators import NONE, WRONG, OperatorCommand, shown
from users.identities import find_user_by_identity
from users.models import User


class Command(OperatorCommand):
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
            raise CommandError(f"There is no user {options['user']!r}.", returncode=WRONG)
        found = artefacts_of(user)
        for artefact in found:
            self._show(artefact, as_json=options["json"])
        if any(artefact.is_theirs for artefact in found):
            return
        if not options["json"]:
            self.stdout.write(f"Nobody can act as {shown(user.username)}: nothing of theirs would be accepted.")
        sys.exit(NONE)

    def _show(self, artefact: Artefact, *, as_json: bool) -> None:
        session = str(artefact.session.pk) if artefact.session else None
        if as_json:
            until = artefact.until.isoformat(timespec="seconds").replace("+00:00", "Z") if artefact.until else None
            facts = {"kind": artefact.kind, "detail": artefact.detail, "asUser": artefact.is_theirs}
            self.stdout.write(json.dumps({**facts, "until": until, "session": session}))
            return
        end = f", until {artefact.until:%Y-%m-%d %H:%M} UTC" if artefact.until else ""
        of = f", session {session}" if session else ""
        self.stdout.write(f"{artefact.kind:15}{shown(artefact.detail)}{end}{of}")
