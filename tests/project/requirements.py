"""Reads requirements files and their locks."""

from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def requirements_in(path: Path) -> Iterator[Requirement]:
    """The requirements in a file, and in the files that it includes by `-r`."""
    for line in path.read_text().splitlines():
        text = line.partition("#")[0].strip()
        if text.startswith("-r "):
            yield from requirements_in(path.parent / text.removeprefix("-r ").strip())
        elif text:
            yield Requirement(text)


def locked_in(path: Path) -> dict[str, dict[str, frozenset[str]]]:
    """The hashes of each version of each project. Several versions are for several Pythons."""
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
