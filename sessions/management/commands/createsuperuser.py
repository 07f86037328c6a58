"""Create a superuser, whose email may be empty."""

import os
from typing import Any

from django.contrib.auth.management.commands import createsuperuser
from django.core.management.base import CommandError
from django.db import IntegrityError, transaction
from django.db.models import Field

from users.errors import PasswordRefused
from users.models import User
from users.password_policy import check_new_password
from users.record.events import Event
from users.record.operator import operator_name
from users.record.writing import record

_EMAIL_VARIABLE = "DJANGO_SUPERUSER_EMAIL"
_PASSWORD_VARIABLE = "DJANGO_SUPERUSER_PASSWORD"


class Command(createsuperuser.Command):
    help = "Create a superuser. The email may be empty."
    # Django doesn't recognise our constraint, which ignores case and deleted users.
    username_is_unique = True
    requires_system_checks = ("security",)  # like OperatorCommand

    _username = ""  # of the new superuser

    def handle(self, *args: Any, **options: Any) -> None:
        self._username = options["username"] or ""
        if not options["interactive"]:
            options["email"] = options["email"] or os.environ.get(_EMAIL_VARIABLE, "")
            username = options["username"] or os.environ.get("DJANGO_SUPERUSER_USERNAME", "")
            _check_password(username=username, email=options["email"])
            self._username = username
        if options["email"] and _is_taken(options["email"]):
            raise CommandError("That email is already taken.")
        existed = _find(self._username) is not None
        try:
            with transaction.atomic():
                super().handle(*args, **options)
                user = _find(self._username)
                if user is not None and not existed:  # Django makes none without a terminal to ask at
                    record(Event.USER_CREATED, user=user, operator=operator_name(), superuser=True)
        except IntegrityError as error:
            raise CommandError("That user name or email was taken a moment ago.") from error

    def get_input_data(self, field: "Field[Any, Any]", message: str, default: Any = None) -> Any:
        """Return the typed value. None makes Django ask again: the value is not valid, or the email is taken."""
        value = super().get_input_data(field, message, default)
        if field.name == "email" and value and _is_taken(value):
            self.stderr.write("Error: That email is already taken.")
            return None
        if field.name == "username" and value:
            self._username = value
        return value


def _check_password(**user: str | None) -> None:
    """Check the password. Django runs its validators only at a terminal. Raises: CommandError."""
    if password := os.environ.get(_PASSWORD_VARIABLE):
        try:
            check_new_password(password, user=User(**user))
        except PasswordRefused as error:
            raise CommandError(" ".join(error.reasons)) from error


def _find(username: str) -> User | None:
    return User.objects.filter(username__iexact=User.normalize_username(username), deleted_at=None).first()


def _is_taken(email: str) -> bool:
    return User.objects.filter(email__iexact=email, deleted_at=None).exists()
