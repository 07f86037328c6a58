"""pyproject.toml declares the requirements. `make lock` writes requirements.txt and the locks from it."""

from importlib.metadata import version

import pytest
from packaging.utils import canonicalize_name

import zapauth
from tests.environment import ROOT
from tests.project.requirements import (
    PROJECT,
    locked_in,
    names,
    required_by_group,
    required_by_the_service,
    required_in,
)

GROUPS = ["local", "dev", "bench"]


def lock(name):
    return ROOT / "locks" / f"{name}.txt"


def required_by(name):
    """Return the requirements from which the lock of that name is made."""
    return required_by_the_service() + (list(required_by_group(name)) if name in GROUPS else [])


def as_text(requirements):
    return {(canonicalize_name(each.name), *sorted(each.extras), str(each.specifier)) for each in requirements}


@pytest.mark.parametrize("name", ["image", *GROUPS])
def test_a_lock_has_each_requirement_in_its_version(name):
    locked = locked_in(lock(name))
    for requirement in required_by(name):
        (pinned,) = requirement.specifier
        assert list(locked[canonicalize_name(requirement.name)]) == [pinned.version], f"{requirement}: run make lock"


@pytest.mark.parametrize("name", ["image", *GROUPS])
def test_every_version_in_a_lock_has_hashes_and_the_same_ones_in_every_lock(name):
    all_of_them = locked_in(lock("bench"))
    for project, versions in locked_in(lock(name)).items():
        assert all(versions.values()), project
        assert versions.items() <= all_of_them[project].items(), f"{project}: run make lock"


@pytest.mark.parametrize("name", ["image", *GROUPS])
def test_a_lock_names_no_place_to_download_from(name):
    text = lock(name).read_text()
    assert "://" not in text
    assert not [line for line in text.splitlines() if line.startswith("-")]


def test_requirements_txt_lists_what_a_local_installation_requires():
    assert as_text(required_in(ROOT / "requirements.txt")) == as_text(required_by("local")), "run make lock"


def test_requirements_txt_names_the_libraries_that_the_project_is_built_on():
    expected = {"django", "djangorestframework", "djangorestframework-simplejwt", "psycopg", "pytest-django"}
    assert expected <= names(required_in(ROOT / "requirements.txt"))


def test_what_is_installed_here_is_what_the_lock_says():
    installed = {name: version(name) for name in ("django", "granian", "cryptography", "psycopg", "pytest", "ruff")}
    assert {name: [number] for name, number in installed.items()} == {
        name: list(locked_in(lock("dev"))[name]) for name in installed
    }


def test_the_package_and_its_metadata_have_one_version():
    assert PROJECT["project"]["version"] == zapauth.__version__
