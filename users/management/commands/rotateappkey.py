import json as to_json
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from users.clients import NewApp, end_previous_key, has_key, rotate_key
from users.errors import AppUnchanged
from users.models import App
from users.record.operator import operator_name

_UNITS = {"d": 86_400, "h": 3600, "m": 60}
LONGEST = timedelta(days=365)


class Command(BaseCommand):
    help = (
        "Give an app a new key and, if its clients sign their requests, a new shared secret, and print them once."
        " The previous ones work for the time of --overlap."
    )
    requires_system_checks = ("security",)  # like the operators' commands

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("app", metavar="APP", help="the app's name or id")
        parser.add_argument(
            "--overlap",
            metavar="TIME",
            default="24h",
            help="how long the previous key works, such as 7d, 24h or 30m; 0: not at all. Default: 24h",
        )
        parser.add_argument(
            "--end-previous", action="store_true", help="make no new key, and refuse the previous one from now on"
        )
        parser.add_argument("--reason", metavar="TEXT", default="", help="why; it is recorded")
        parser.add_argument(
            "--json", action="store_true", help="print a JSON object: appId, appKey, sharedSecret, previousWorksUntil"
        )

    def handle(self, *, app: str, overlap: str, end_previous: bool, reason: str, json: bool, **options: Any) -> None:
        found = _app(app)
        try:
            if end_previous:
                end_previous_key(found, note=reason, operator=operator_name())
                self.stdout.write(f"The previous key of {found.name} is refused from now on.")
                return
            new = rotate_key(found, overlap=_span(overlap), note=reason, operator=operator_name())
        except AppUnchanged as error:
            raise CommandError(f"{found.name} has no previous key that works.") from error
        if json:
            self.stdout.write(_as_json(new))
        else:
            self._print(new)

    def _print(self, new: NewApp) -> None:
        self.stdout.write(f"App id:        {new.app.pk}")
        self.stdout.write(f"App key:       {new.key}")
        if new.shared_secret:
            self.stdout.write(f"Shared secret: {new.shared_secret}")
        until = new.app.previous_until
        works = f"works until {until:%Y-%m-%d %H:%M} UTC" if until else "is refused from now on"
        self.stdout.write(f"The previous key {works}.")
        self.stdout.write(self.style.WARNING("Keep this now: it can't be shown again."))


def _app(name: str) -> App:
    """Find the app with that name or id. Raises: CommandError."""
    app = App.objects.filter(name=name).first() or App.objects.filter(pk=name).first()
    if app is None:
        raise CommandError(f"There is no app {name[:50]!r}.", returncode=2)
    if not has_key(app):
        raise CommandError(f"{app.name} has no key.", returncode=2)
    return app


def _span(text: str) -> timedelta:
    """Read a time such as 24h. Raises: CommandError."""
    number, unit = text[:-1], text[-1:]
    if text == "0":
        return timedelta(0)
    if unit not in _UNITS or not (number.isascii() and number.isdigit()) or len(number) > 6:
        raise CommandError("--overlap: write a time such as 7d, 24h or 30m, or 0.", returncode=2)
    span = timedelta(seconds=int(number) * _UNITS[unit])
    if span > LONGEST:
        raise CommandError("--overlap: at most 365d.", returncode=2)
    return span


def _as_json(new: NewApp) -> str:
    until = new.app.previous_until
    facts = {"appId": new.app.pk, "appKey": new.key, "sharedSecret": new.shared_secret}
    return to_json.dumps(facts | {"previousWorksUntil": until.isoformat() if until else None})
