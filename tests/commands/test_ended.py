"""`manage.py ended`: writes a record for machines and counts for people."""

from datetime import timedelta

import pytest

from sessions.restore.ended_file import read_record
from sessions.restore.guard import note_pruned
from tests.commands.terminal import manage, shell
from tests.phones import InProcess, ZapPhone
from tests.sessions.population import new_session
from users.clock import database_now
from users.models import User

HOUR = timedelta(hours=1)


@pytest.fixture
def since(db):
    ZapPhone(InProcess()).sign_up("ann").log_out()
    ZapPhone(InProcess()).sign_up("ben")
    User.objects.create_user("cleo", is_active=False)
    return (database_now() - HOUR).isoformat()


def test_as_json_it_is_a_record_that_can_be_read_back(since):
    done = manage(f"ended --since {since} --json")
    assert done.code == 0, done.err
    found = read_record(done.out.splitlines())
    assert len(found.sessions) == 1
    assert found.disabled == {User.objects.get(username="cleo").pk}


def test_it_names_nobody_and_holds_no_secret(since):
    out = manage(f"ended --since {since} --json").out
    for word in ("ann", "cleo", "example.org", "eyJ"):
        assert word not in out


def test_for_people_it_counts(since):
    done = manage(f"ended --since {since}")
    assert [line.split()[0] for line in done.out.splitlines()] == ["1", "0", "1", "0", "0"]


@pytest.mark.parametrize(
    "options",
    ["", "--since yesterday", "--since 2999-01-01", "--since {since} --until {since}", "--since {since} --app x"],
)
def test_a_wrong_option_is_an_error(since, options):
    done = manage(f"ended {options.format(since=since)}")
    assert (done.code, done.out) == (2, "")


def test_endings_that_have_been_deleted_can_not_be_asked_for(since):
    note_pruned(database_now())
    done = manage(f"ended --since {since} --json")
    assert (done.code, done.out) == (2, "")
    assert "manage.py prune" in done.err


def test_prune_says_up_to_when_endings_are_deleted_and_its_dry_run_does_not(since):
    manage("prune --dry-run --keep 1d")
    assert manage(f"ended --since {(database_now() - 48 * HOUR).isoformat()}").code == 0
    manage("prune --keep 1d")
    assert manage(f"ended --since {(database_now() - 48 * HOUR).isoformat()}").code == 2
    assert manage(f"ended --since {(database_now() - 23 * HOUR).isoformat()}").code == 0


@pytest.mark.django_db(transaction=True)
def test_a_closed_pipe_stops_the_export(db):
    user = User.objects.create_user("ann")
    for _ in range(3):
        new_session(user=user)
    assert shell("manage ended --since 2026-01-01 --json | head -1").code == 141
