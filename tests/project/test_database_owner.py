"""docker/owner.sql on a real PostgreSQL: the service's role is not a superuser and needs no such rights."""

import os
import subprocess
from pathlib import Path

import pytest
import yaml
from django.conf import settings

from tests.environment import ROOT
from tests.phones import Live, ZapPhone
from tests.servers import running_server
from zapauth.local.embedded_postgres import _Server, socket_folder

pytestmark = pytest.mark.skipif(not settings.IS_LOCAL, reason="makes a role, which not every database server allows")

OWNER, FRESH, BEFORE = "zapauth_owner", "owner_fresh", "owner_before"
SCRIPT = ROOT / "docker" / "owner.sql"
# List the objects whose owner is not the service's role.
OTHERS = """
    SELECT c.oid::regclass::text FROM pg_class c
     WHERE relnamespace = 'public'::regnamespace AND pg_get_userbyid(relowner) <> 'zapauth_owner'
     UNION SELECT p.oid::regprocedure::text FROM pg_proc p
     WHERE pronamespace = 'public'::regnamespace AND pg_get_userbyid(proowner) <> 'zapauth_owner'
     UNION SELECT t.oid::regtype::text FROM pg_type t
     WHERE typnamespace = 'public'::regnamespace AND pg_get_userbyid(typowner) <> 'zapauth_owner'
     UNION SELECT datname FROM pg_database
     WHERE datname = current_database() AND pg_get_userbyid(datdba) <> 'zapauth_owner'
"""

RIGHTS = """
    SELECT rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls, rolpassword ~ '^SCRAM-SHA-256'
      FROM pg_authid WHERE rolname = 'zapauth_owner'
"""


def psql(database, *words, **environment):
    """Run it as the superuser, and return its output. Raises: subprocess.CalledProcessError."""
    programs = _Server(settings.DATA_DIR).programs
    who = ["--username=postgres", f"--host={socket_folder(settings.DATA_DIR)}", f"--dbname={database}"]
    done = subprocess.run(
        [programs / "psql", "-qtAX", *who, *words],
        env={"PATH": os.environ["PATH"]} | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout.strip()


def make_owner(database):
    psql(database, "--file", str(SCRIPT), DATABASE_PASSWORD="it's a secret")


@pytest.fixture
def databases(db):
    psql("postgres", "-c", f"CREATE DATABASE {FRESH}")
    try:
        yield
    finally:
        for name in (FRESH, BEFORE):
            psql("postgres", "-c", f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        psql("postgres", "-c", f"DROP ROLE IF EXISTS {OWNER}")


def test_the_service_makes_its_tables_and_serves_as_an_owner_without_rights(databases):
    make_owner(FRESH)
    assert psql(FRESH, "-c", RIGHTS) == "f|t"
    url = f"postgres://{OWNER}@/{FRESH}?host={socket_folder(settings.DATA_DIR)}"
    with running_server("--demo", DATABASE_URL=url, WORKERS="1") as server:
        said = server.log.read_text()
        assert "no demo app and no demo superuser are made" in said
        assert "manage.py createsuperuser" in said
        assert "App key" not in said
        assert psql(FRESH, "-c", "SELECT count(*) FROM users_user") == "0"
        assert psql(FRESH, "-c", "SELECT count(*) FROM users_app WHERE name = 'Demo'") == "0"
        phone = ZapPhone(Live(server.base_url), device_token="push of ann").sign_up("ann")
        assert phone.log_out().status == 200
        assert phone.me().status == 401
    assert psql(FRESH, "-c", OTHERS) == ""

    # In an old volume the superuser owns everything. The script changes that. It may run twice.
    psql("postgres", "-c", f"CREATE DATABASE {BEFORE} TEMPLATE {FRESH}")
    psql(BEFORE, "-c", f"REASSIGN OWNED BY {OWNER} TO postgres")
    assert "users_user_pkey" in psql(BEFORE, "-c", OTHERS)
    make_owner(BEFORE)
    make_owner(BEFORE)
    assert psql(BEFORE, "-c", OTHERS) == ""
    change = "ALTER TABLE users_user ADD x int; ALTER TABLE users_user DROP x; CREATE TABLE y (); DROP TABLE y"
    psql(BEFORE, "-c", f"SET ROLE {OWNER}", "-c", change, "-v", "ON_ERROR_STOP=1")


def test_without_a_password_the_script_changes_nothing(db):
    with pytest.raises(subprocess.CalledProcessError) as failed:
        psql("postgres", "--file", str(SCRIPT))
    assert "DATABASE_PASSWORD is not set" in failed.value.stderr
    assert psql("postgres", "-c", f"SELECT to_regrole('{OWNER}')") == ""


def test_the_composition_runs_the_script_and_gives_the_service_that_role_alone():
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    postgres, web = services["postgres"], services["web"]
    (script,) = (volume for volume in postgres["volumes"] if "initdb.d" in volume)
    assert (ROOT / Path(script.partition(":")[0])).samefile(SCRIPT)
    assert script.partition(":")[2] == "/docker-entrypoint-initdb.d/owner.sql:ro"
    assert "DATABASE_PASSWORD" in postgres["environment"]
    assert web["environment"]["DATABASE_URL"].startswith(f"postgres://{OWNER}:${{DATABASE_PASSWORD}}@")
    assert "POSTGRES_PASSWORD" not in str(web)
    assert postgres["environment"]["POSTGRES_USER"] != OWNER
