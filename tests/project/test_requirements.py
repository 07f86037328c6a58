"""The locks agree with the requirements files that they are made of. `make lock` makes them anew."""

from importlib.metadata import version

import pytest
from packaging.utils import canonicalize_name

from tests.environment import ROOT
from tests.project.requirements import locked_in, requirements_in

LOCKS = {
    "service": "requirements.txt",
    "tools": "requirements-dev.txt",
    "bench": "bench/requirements.txt",
}


def lock(name):
    return ROOT / "locks" / f"{name}.txt"


@pytest.mark.parametrize(("name", "source"), LOCKS.items())
def test_a_lock_has_each_requirement_in_its_version(name, source):
    locked = locked_in(lock(name))
    for requirement in requirements_in(ROOT / source):
        (pinned,) = requirement.specifier
        assert list(locked[canonicalize_name(requirement.name)]) == [pinned.version], f"{requirement}: run make lock"


@pytest.mark.parametrize("name", [*LOCKS, "image"])
def test_every_version_in_a_lock_has_hashes_and_the_same_ones_in_every_lock(name):
    all_of_them = locked_in(lock("bench"))
    for project, versions in locked_in(lock(name)).items():
        assert all(versions.values()), project
        assert versions.items() <= all_of_them[project].items(), f"{project}: run make lock"


@pytest.mark.parametrize("name", [*LOCKS, "image"])
def test_a_lock_names_no_place_to_download_from(name):
    text = lock(name).read_text()
    assert "://" not in text
    assert not [line for line in text.splitlines() if line.startswith("-")]


def test_what_is_installed_here_is_what_the_lock_says():
    installed = {name: version(name) for name in ("django", "granian", "cryptography", "psycopg", "pytest", "ruff")}
    assert {name: [number] for name, number in installed.items()} == {
        name: list(locked_in(lock("tools"))[name]) for name in installed
    }
