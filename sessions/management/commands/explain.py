"""Say why a token is accepted or refused now."""

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from sessions.explain import explain


class Command(BaseCommand):
    help = (
        "Say which rule accepts or refuses a token now, and where it came from. Without TOKEN it is read from standard "
        "input, which no shell remembers. Exit codes: 0 accepted, 1 refused."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("token", nargs="?", metavar="TOKEN")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        raw = options["token"]
        if raw is None:
            if sys.stdin.isatty():
                self.stderr.write("Paste the token, then Enter and Ctrl-D:")
            raw = sys.stdin.read()
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
                    f"  {'ok' if rule.kept else 'NO'}  {rule.text}{f' ({rule.detail})' if rule.detail else ''}"
                )
            if session is not None:
                self.stdout.write(
                    f"  from session {session.pk} of {session.user or 'nobody (app-level)'} in {session.app}, opened "
                    f"{session.created_at:%Y-%m-%d %H:%M:%S} UTC from {session.ip or 'an unknown address'}"
                )
        if not found.is_accepted:
            sys.exit(1)
