"""List the credentials that let somebody act as a user."""

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from sessions.inspect.credentials import Credential, credentials_of
from sessions.management.operators import NONE, WRONG, OperatorCommand, shown
from users.identities import find_user_by_identity
from users.models import User


class Command(OperatorCommand):
    help = (
        "List every credential that would be accepted as this user now. "
        "Exit codes: 0 there is one, 1 there is none, 2 there is no such user."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("user", metavar="USER", help="a user name, an email, a phone number or an id")
        parser.add_argument("--json", action="store_true", help="print each credential as a JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(pk=options["user"]).first() or find_user_by_identity(options["user"])
        if user is None:
            raise CommandError(f"There is no user {options['user']!r}.", returncode=WRONG)
        found = credentials_of(user)
        for credential in found:
            self._show(credential, as_json=options["json"])
        if any(credential.is_theirs for credential in found):
            return
        if not options["json"]:
            self.stdout.write(f"Nobody can act as {shown(user.username)}: no credential would be accepted.")
        sys.exit(NONE)

    def _show(self, credential: Credential, *, as_json: bool) -> None:
        session = str(credential.session.pk) if credential.session else None
        if as_json:
            until = credential.until.isoformat(timespec="seconds").replace("+00:00", "Z") if credential.until else None
            facts = {"kind": credential.kind, "detail": credential.detail, "asUser": credential.is_theirs}
            self.stdout.write(json.dumps({**facts, "until": until, "session": session}))
            return
        end = f", until {credential.until:%Y-%m-%d %H:%M} UTC" if credential.until else ""
        of = f", session {session}" if session else ""
        self.stdout.write(f"{credential.kind:15}{shown(credential.detail)}{end}{of}")
