"""What the operators' commands have in common: how they fail, and what they show of others' words."""

import os
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import Error as DatabaseError

# Exit codes, a format for machines: add, never change. 1 is Django's own: it failed.
NONE, WRONG, NOT_CONFIRMED, GROWN, INTERRUPTED, BROKEN_PIPE = 1, 2, 3, 4, 130, 141


class OperatorCommand(BaseCommand):
    """Says in one line what went wrong; `--traceback` shows the rest."""

    # Only what a command itself rests on: settings that make it unsafe to serve must not keep an incident waiting.
    requires_system_checks = ("security",)

    def execute(self, *args: Any, **options: Any) -> str | None:
        _check_encoding(options)
        try:
            output = super().execute(*args, **options)
            self.stdout.flush()
        except BrokenPipeError:
            # Who reads us has seen enough (`| head`). Nothing more may be written, not even at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(BROKEN_PIPE)
        except KeyboardInterrupt:
            raise CommandError("interrupted", returncode=INTERRUPTED) from None
        except DatabaseError as error:
            first_line = str(error).strip().partition("\n")[0]
            raise CommandError(f"the database failed: {first_line}") from error
        return output


def shown(text: object) -> str:
    """``text`` for a terminal: without what would steer it. Names and platforms are clients' own words."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in str(text))


def _check_encoding(options: dict[str, Any]) -> None:
    for name, value in options.items():
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str) and any("\ud800" <= char <= "\udfff" for char in text):
                raise CommandError(f"--{name.replace('_', '-')}: it is not UTF-8.", returncode=WRONG)
