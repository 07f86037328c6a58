"""The base class of the operators' commands: exit codes, error messages, safe output."""

import os
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import Error as DatabaseError

# Exit codes are a format for machines: add, never change. Django itself uses 1 for a failure.
NONE, WRONG, NOT_CONFIRMED, GROWN, STOPPED, INTERRUPTED, BROKEN_PIPE = 1, 2, 3, 4, 5, 130, 141


class OperatorCommand(BaseCommand):
    """A command that reports an error in one line; `--traceback` shows the rest."""

    # Other checks must not stop a command in an incident. They are about settings that are unsafe for a server.
    requires_system_checks = ("security",)

    def execute(self, *args: Any, **options: Any) -> str | None:
        _check_encoding(options)
        try:
            output = super().execute(*args, **options)
            self.stdout.flush()
        except BrokenPipeError:
            # The reader closed the pipe, as `| head` does. Write nothing more, not even at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(BROKEN_PIPE)
        except KeyboardInterrupt:
            raise CommandError("interrupted", returncode=INTERRUPTED) from None
        except DatabaseError as error:
            first_line = str(error).strip().partition("\n")[0]
            raise CommandError(f"the database failed: {first_line}") from error
        return output


def shown(text: object) -> str:
    """Remove control characters from ``text``, for a terminal. Clients choose names and platforms."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in str(text))


def _check_encoding(options: dict[str, Any]) -> None:
    for name, value in options.items():
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str) and any("\ud800" <= char <= "\udfff" for char in text):
                raise CommandError(f"--{name.replace('_', '-')}: the text is not UTF-8.", returncode=WRONG)
