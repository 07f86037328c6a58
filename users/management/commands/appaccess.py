import json as to_json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from users.clients import has_key, set_access
from users.models import Access, App
from users.record.operator import operator_name

_WHAT = {"tokens": "token_access", "pushes": "push_access", "events": "event_access"}


class Command(BaseCommand):
    help = (
        "Show or change what an app may ask about sessions, with its key. Give access only to an app whose key stays on"
        " servers: a key inside an app on phones is public."
    )
    requires_system_checks = ("security",)  # like the operators' commands

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("app", metavar="APP", help="the app's name or id")
        may = "whose tokens it may check, and whose sessions it may end"
        parser.add_argument("--tokens", choices=Access.values, help=may)
        parser.add_argument("--pushes", choices=Access.values, help="whose device tokens it may ask for")
        parser.add_argument("--events", choices=Access.values, help="whose ended sessions it is told about")
        parser.add_argument("--reason", metavar="TEXT", default="", help="why; it is recorded")
        parser.add_argument("--json", action="store_true", help="print a JSON object: appId, tokens, pushes, events")

    def handle(self, *, app: str, reason: str, json: bool, **options: Any) -> None:
        found = App.objects.filter(name=app).first() or App.objects.filter(pk=app).first()
        if found is None:
            raise CommandError(f"There is no app {app[:50]!r}.", returncode=2)
        if not has_key(found):
            raise CommandError(f"{found.name} has no key, so it can't ask.", returncode=2)
        changes = {_WHAT[name]: Access(options[name]) for name in _WHAT if options[name] is not None}
        if changes:
            set_access(found, changes, note=reason, operator=operator_name())
        now = {name: Access(getattr(found, column)) for name, column in _WHAT.items()}
        if json:
            self.stdout.write(to_json.dumps({"appId": found.pk} | {name: level.value for name, level in now.items()}))
            return
        for name, level in now.items():
            self.stdout.write(f"{name + ':':<8} {level.label}")
