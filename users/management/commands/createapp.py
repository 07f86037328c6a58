import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import IntegrityError

from users.clients import OWN_NAMES, create_app, is_app_name
from users.models import App
from users.record.operator import operator_name


class Command(BaseCommand):
    help = (
        "Create an app (a client of this installation) and print its id and key. The key is shown once: only a hash of"
        " it is stored."
    )
    requires_system_checks = ("security",)  # like the operators' commands

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="the name that staff see; unique, at most 100 characters")
        parser.add_argument(
            "--signed",
            action="store_true",
            help="give the app a shared secret, with which its clients sign each request",
        )
        parser.add_argument("--json", action="store_true", help="print a JSON object: appId, appKey, sharedSecret")

    def handle(self, *, name: str, signed: bool, json: bool, **options: Any) -> None:
        name = name.strip()
        longest = App._meta.get_field("name").max_length or 0
        if not name or len(name) > longest or not name.isprintable():
            raise CommandError(f"An app's name has 1 to {longest} printable characters.")
        if not is_app_name(name):
            raise CommandError(f"The service's own apps have these names: {', '.join(OWN_NAMES)}. Choose another one.")
        try:
            new = create_app(name, signed=signed, operator=operator_name())
        except IntegrityError as error:
            raise CommandError(f"There is an app called {name!r} already; its key can't be shown again.") from error
        if json:
            self.stdout.write(_as_json(new.app.pk, new.key, new.shared_secret))
            return
        self.stdout.write(f"App id:        {new.app.pk}")
        self.stdout.write(f"App key:       {new.key}")
        if new.shared_secret:
            self.stdout.write(f"Shared secret: {new.shared_secret}")
        self.stdout.write(self.style.WARNING("Keep this now: it can't be shown again."))


def _as_json(app_id: str, app_key: str, shared_secret: str | None) -> str:
    return json.dumps({"appId": app_id, "appKey": app_key, "sharedSecret": shared_secret})
