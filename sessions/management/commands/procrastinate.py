"""Refuse the library's own command. Its worker does not know our jobs, so it would mark all waiting mails as failed."""

from argparse import REMAINDER, ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError


class Command(BaseCommand):
    help = "It is not used here: the servers do the jobs of the queue."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("arguments", nargs=REMAINDER, help="ignored")

    def handle(self, *args: Any, **options: Any) -> None:
        raise CommandError(
            "not used here: the servers do the jobs of the queue. docs/mails.md says how to look at the jobs that wait."
        )
