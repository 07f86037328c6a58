"""Change a user's password and end their sessions."""

import getpass
from typing import Any

from django.contrib.auth.management.commands import changepassword
from django.core.management.base import CommandError

from sessions.passwords import password_change
from users.canary import BELONGS_TO_CANARY, CANARY_ID
from users.models import User
from users.record.operator import operator_name


class Command(changepassword.Command):
    help = "Change a user's password and end their sessions."

    def handle(self, *args: Any, **options: Any) -> str | None:
        # By exact name, like Django's own command. Deleted users are left out.
        options["username"] = options["username"] or getpass.getuser()
        users = User.objects.filter(username=options["username"], deleted_at=None)
        if users.filter(pk=CANARY_ID).exists():
            raise CommandError(BELONGS_TO_CANARY)
        with password_change(users, actor=None, operator=operator_name()):
            return super().handle(*args, **options)
