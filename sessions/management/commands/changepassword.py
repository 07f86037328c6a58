import getpass
from typing import Any

from django.contrib.auth.management.commands import changepassword

from sessions.passwords import password_change
from users.models import User


class Command(changepassword.Command):
    help = "Change a user's password and end their sessions."

    def handle(self, *args: Any, **options: Any) -> str | None:
        # A name as Django's own command takes it: to the letter, and of the user not deleted.
        options["username"] = options["username"] or getpass.getuser()
        users = User.objects.filter(username=options["username"], deleted_at=None)
        with password_change(users, actor=None):
            return super().handle(*args, **options)
