"""Read the requirements in pyproject.toml and requirements.txt, and the locks."""

import tomllib
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.environment import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def required_by_the_service() -> list[Requirement]:
    """The requirements of the production image."""
    return [Requirement(text) for text in PROJECT["project"]["dependencies"]]


def required_by_group(name: str) -> Iterator[Requirement]:
    """The requirements of a dependency group and of the groups that it includes."""
    for entry in PROJECT["dependency-groups"][name]:
        if isinstance(entry, str):
            yield Requirement(entry)
        else:
            yield from required_by_group(entry["include-group"])


def required_in(path: Path) -> list[Requirement]:
    """The requirements of a file without options, such as requirements.txt."""
    lines = (line.partition("#")[0].strip() for line in path.read_text().splitlines())
    return [Requirement(line) for line in lines if line]


def names(requirements: list[Requirement]) -> set[str]:
    return {canonicalize_name(requirement.name) for requirement in requirements}


def locked_in(path: Path) -> dict[str, dict[str, frozenset[str]]]:
    """Map each project to the hashes of each of its versions. Several versions are for several Pythons."""
    found: dict[str, dict[str, frozenset[str]]] = {}
    for line in path.read_text().replace("\\\n", " ").splitlines():
        text, *hashes = line.partition("#")[0].split(" --hash=")
        if text.strip():
            requirement = Requirement(text)
            (version,) = requirement.specifier
            assert version.operator == "==", text
            assert all(each.startswith("sha256:") for each in hashes), text
            found.setdefault(canonicalize_name(requirement.name), {})[version.version] = frozenset(
                map(str.strip, hashes)
            )
    return found
