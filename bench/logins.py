"""Make logins in bulk by each project's own code: `python -m bench.logins MODULE:FUNCTION COUNT`.

Logins over HTTP would hash a password each. It runs in its own process, with the project's settings.
"""

import json
import sys
from importlib import import_module

import django

# What a client has after a login: its `access` token and the other values that its calls need.
Login = dict[str, str]
PASSWORD = "correct-horse-1"


def main(mint: str, count: int) -> None:
    django.setup()
    module, _, function = mint.partition(":")
    for login in getattr(import_module(module), function)(count):
        print(json.dumps(login))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
