"""An upgrade while clients go on: what each migration locks, and how long anybody waits for it."""

import json
import os
import re
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress

import psycopg
import pytest
from django.db import connection
from django.db.migrations.loader import MigrationLoader

from tests.environment import ROOT
from tests.servers import MAY_SERVE, test_database_url, test_environment
from tests.traffic import Traffic
from tests.upgrade.population import APP, fill
from tests.waiting import wait_until

# Each has a device token and a session. docs/upgrade.md has the figures of a million.
USERS = int(os.environ.get("UPGRADE_USERS", "2000"))
# The last migrations of the previous release.
PREVIOUS = ["user_sessions=0008", "users=0011"]
OURS = ("users", "user_sessions")
# Their rows are few in every installation, so a migration may read all of them.
SMALL = {"users_app", "user_sessions_bulkrun", "user_sessions_figure", "users_refusedlogin", "django_content_type"}
LONGEST = "1s"
NAME = "test_upgrade"
# What a migration without a transaction may do: it locks no table for reading or writing.
PATIENT = re.compile(r"\s*(CREATE|DROP) INDEX CONCURRENTLY |\s*CREATE OR REPLACE FUNCTION ")


def docstrings():
    """Return the docstring of each migration after the first ones, by `app.name`."""
    loader = MigrationLoader(None, ignore_no_migrations=True)
    return {
        f"{label}.{name}": sys.modules[type(migration).__module__].__doc__ or ""
        for (label, name), migration in sorted(loader.disk_migrations.items())
        if label in OURS and not name.startswith("0001_")
    }


def declared(text):
    """Return the locks after `Locks:`, as pairs of a table and a mode, or None if the docstring says nothing."""
    if (found := re.search(r"^Locks: (.+)", text, re.DOTALL | re.MULTILINE)) is None:
        return None
    named = re.findall(r"\b(\w+_\w+) \(([A-Z, ]+)\)", found[1])
    locks = {(table, mode.strip()) for table, modes in named for mode in modes.split(",")}
    return locks if locks and "millisecond" in found[1] else set() if found[1].startswith("none.") else None


@pytest.mark.parametrize("name", docstrings())
def test_each_migration_states_what_it_locks_and_for_how_long(name):
    assert declared(docstrings()[name]) is not None


# --- the upgrade ------------------------------------------------------------------------------------


@pytest.fixture
def earlier(transactional_db):
    """The environment of commands on a database as the first migrations leave it, with rows."""
    url, owner = test_database_url(), connection.settings_dict["NAME"]
    here = test_environment() | MAY_SERVE | {"DATABASE_URL": url.replace(f"/{owner}", f"/{NAME}")}
    here |= {"MIGRATION_LOCK_TIMEOUT": "0"}
    with psycopg.connect(url, autocommit=True) as link:
        link.execute(f"DROP DATABASE IF EXISTS {NAME} WITH (FORCE)")
        link.execute(f"CREATE DATABASE {NAME}")
        migrate("token_blacklist", "admin", "user_sessions=0001", environment=here)
        with psycopg.connect(here["DATABASE_URL"], autocommit=True) as filling:
            fill(filling, USERS)
        yield here
        link.execute(f"DROP DATABASE {NAME} WITH (FORCE)")


def migrate(*targets, environment):
    """Run `manage.py migrate` for each target. Returns: facts about each migration."""
    words = [sys.executable, "-m", "tests.upgrade.observed", *targets]
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


READ = """
SELECT s.ended_at, u.is_active, a.session_epoch FROM user_sessions_session s
  JOIN users_app a ON a.id = s.app_id LEFT JOIN users_user u ON u.id = s.user_id
 WHERE s.id = lpad(to_hex(%s::int), 32, '0')::uuid
"""
LOG_OUT = """
WITH ended AS (
    UPDATE user_sessions_session SET ended_at = clock_timestamp(), end_reason = 'logout'
     WHERE id = lpad(to_hex(%s::int), 32, '0')::uuid AND ended_at IS NULL RETURNING refresh_jti, device_token_id
), blacklisted AS (
    INSERT INTO token_blacklist_blacklistedtoken (blacklisted_at, token_id)
    SELECT clock_timestamp(), o.id FROM token_blacklist_outstandingtoken o JOIN ended ON o.jti = refresh_jti
    ON CONFLICT DO NOTHING
)
UPDATE users_devicetoken SET user_id = NULL FROM ended WHERE id = device_token_id
"""
LOG_IN = """
WITH known AS (
    UPDATE users_user SET last_login = clock_timestamp() WHERE id = lpad(to_hex(%s::int), 24, '0') RETURNING id
)
INSERT INTO user_sessions_session (id, user_id, app_id, created_at, last_seen_at, expires_at, user_agent, platform, ip,
       app_epoch, user_epoch, refresh_used_by, end_reason, ended_request_id)
SELECT gen_random_uuid(), id, %s, clock_timestamp(), clock_timestamp(), clock_timestamp() + interval '1 day', '', 'iOS',
       '192.0.2.1', 0, 0, '', '', '' FROM known
"""


class Clients(Traffic):
    """Clients that read, log out and log in all the time, with the statements of requests.

    PostgreSQL refuses a statement that waits for a lock for longer than a second.
    """

    def __init__(self, url):
        super().__init__(range(4), pause=0.005)
        self.url = url

    def go_on(self, client):
        number = client
        with psycopg.connect(self.url, autocommit=True) as link:
            link.execute(f"SET lock_timeout = '{LONGEST}'")
            while self.goes_on():
                number = number % USERS + 1
                self.call("read", link.execute, READ, [number])
                self.call("log out", link.execute, LOG_OUT, [number])
                self.call("log in", link.execute, LOG_IN, [number, APP])
                number += 4


@contextmanager
def long_transaction(url, tries=2):
    """Read the tables in a transaction that stays open, like a backup's, until a migration has given up some times."""
    seen = set()
    stop = threading.Event()

    def look(link):
        waiting = link.execute("SELECT pid, waitstart FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock'")
        seen.update(waiting.fetchall())
        return len(seen) >= tries or stop.is_set()

    def hold(link):
        with psycopg.connect(url, autocommit=True) as looking, suppress(AssertionError):
            wait_until(lambda: look(looking), seconds=120)
        link.rollback()

    with psycopg.connect(url) as link:
        link.execute("SELECT count(*) FROM users_app, user_sessions_session, users_user WHERE false")
        thread = threading.Thread(target=hold, args=[link])
        thread.start()
        try:
            yield seen
        finally:
            stop.set()
            thread.join(60)


def test_nobody_waits_for_a_second_while_the_tables_of_the_first_version_are_brought_up_to_date(earlier):
    url = earlier["DATABASE_URL"]
    with Clients(url) as clients, long_transaction(url) as waited:
        wait_until(lambda: clients.calls["log in"] > 20)
        began = time.monotonic()
        told = migrate("all", environment=earlier)
        took = time.monotonic() - began
    assert clients.failed == []
    assert len(waited) >= 2  # the migration gave up and tried again, while the long transaction went on
    assert min(clients.calls[kind] for kind in ("read", "log out", "log in")) > 50
    print(f"{USERS} users: {took:.1f} s, {dict(clients.calls)}, slowest {clients.longest}")
    check_locks(told)
    with Clients(url) as clients:  # back to the previous release, and forth again
        migrate(*PREVIOUS, "all", environment=earlier)
    assert clients.failed == []


def check_locks(told):
    """Compare the locks that the migrations took with those that they state."""
    texts, seen = docstrings(), set()
    for facts in told:
        if (name := facts["name"]) not in texts:
            continue
        seen.add(name)
        locks = {(table, words_of(mode)) for table, mode in facts["locks"]}
        assert locks == declared(texts[name]), name
        # Django does not work long on its models while it holds a lock. This is processor time.
        assert not locks or facts["cpu"] < 0.2, name
        # Nobody holds such a lock while it reads a large table.
        assert {table for table, _ in locks} & set(facts["rows_read"]) <= SMALL, name
        if not facts["is_atomic"]:
            assert all(PATIENT.match(statement) for statement in facts["statements"]), name
    assert seen == texts.keys()


def words_of(mode):
    """Return the name of a lock as SQL writes it: `AccessExclusiveLock` is ACCESS EXCLUSIVE."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", mode.removesuffix("Lock")).upper()


def test_a_build_of_an_index_that_was_interrupted_is_repeated(transactional_db):
    name, build = "user_newest", migration("users", "0005_lists").operations[1]
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_get_indexdef(%s::regclass)", [name])
        (made,) = cursor.fetchone()
        cursor.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = %s::regclass", [name])
        cursor.execute("SET lock_timeout = '3s'")
    state = MigrationLoader(connection).project_state(("users", "0005_lists"))
    with connection.schema_editor(atomic=False) as editor:
        build.database_forwards("users", editor, state, state)
    with connection.cursor() as cursor:
        query = "SELECT indisvalid, pg_get_indexdef(indexrelid) FROM pg_index WHERE indexrelid = %s::regclass"
        cursor.execute(query, [name])
        assert cursor.fetchone() == (True, made)
        cursor.execute("SHOW lock_timeout")
        assert cursor.fetchone() == ("3s",)
        cursor.execute("RESET lock_timeout")


def migration(label, name):
    return MigrationLoader(connection).get_migration(label, name)
