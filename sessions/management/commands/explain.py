"""Say why a token is accepted or refused now."""

import json
import sys
from argparse import ArgumentParser
from getpass import getpass
from typing import Any

from django.core.management.base import CommandError

from sessions.inspect.token import explain
from sessions.management.operators import NONE, WRONG, OperatorCommand, shown
from sessions.selection.files import STDIN

# Longer than any device token.
LONGEST = 16_384


class Command(OperatorCommand):
    help = (
        "Say which rule accepts or refuses a token now, and which session it belongs to. Without TOKEN, or with -, it "
        "is read from standard input: so it appears in no shell history and no list of processes. "
        "Exit codes: 0 accepted, 1 refused, 2 there is no token."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("token", nargs="?", metavar="TOKEN")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        raw = _read() if options["token"] in (None, STDIN) else options["token"]
        if not raw.strip():
            raise CommandError("There is no token.", returncode=WRONG)
        found = explain(raw)
        session = found.session
        if options["json"]:
            facts = {"kind": found.kind, "accepted": found.is_accepted, "verdict": found.verdict}
            rules = [{"kept": rule.kept, "rule": rule.text, "detail": rule.detail} for rule in found.rules]
            self.stdout.write(json.dumps({**facts, "session": str(session.pk) if session else None, "rules": rules}))
        else:
            self.stdout.write(f"{found.kind}: {found.verdict}")
            for rule in found.rules:
                self.stdout.write(
                    f"  {'ok' if rule.kept else 'NO'}  {rule.text}{f' ({shown(rule.detail)})' if rule.detail else ''}"
                )
            if session is not None:
                self.stdout.write(
                    f"  from session {session.pk} of {shown(session.user or 'nobody (app-level)')} in {session.app}, "
                    f"opened {session.created_at:%Y-%m-%d %H:%M:%S} UTC from {session.ip or 'an unknown address'}"
                )
        if not found.is_accepted:
            sys.exit(NONE)


def _read() -> str:
    if sys.stdin.isatty():
        try:
            return getpass("Paste the token, then Enter (it is not shown): ")
        except EOFError:
            return ""
    raw = sys.stdin.buffer.read(LONGEST + 1)
    if len(raw) > LONGEST:
        raise CommandError("That is too long for a token.", returncode=WRONG)
    return raw.decode(errors="replace")
