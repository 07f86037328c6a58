"""`manage.py rotatekeys`: the steps of a rotation, and what it refuses."""

import re
from datetime import timedelta

import pytest

from sessions.models import RunningServer, Session, SigningKey
from sessions.rotation.ring import kids_that_can_sign
from sessions.tokens.keys import new_private_key_pem
from tests.commands.key_files import Environment, publish
from tests.commands.terminal import manage
from tests.phones import InProcess, ZapPhone
from users.clock import database_now
from users.models import SecurityEvent
from users.record.operator import operator_name


@pytest.fixture
def here(settings, tmp_path, db):
    return Environment(settings, tmp_path / "env")


# --- the normal order -----------------------------------------------------------------------------


def test_a_rotation_in_its_order_logs_nobody_out_and_leaves_one_new_key(here):
    phone, (old,) = ZapPhone(InProcess()).sign_up(), here.kids
    server = here.start_server()
    assert "Next step: rotatekeys add" in manage("rotatekeys").out
    server.stop()
    (server,) = publish(here)
    assert here.kids[0] == old
    assert phone.me().status == phone.refresh().status == 200
    assert here.rotate("sign").code == 0
    server.stop()
    new = here.kids[0]
    assert (here.kids, kids_that_can_sign(here.settings.SIGNING_KEYS)) == ([new, old], [new])
    server = here.start_server()
    assert phone.me().status == phone.refresh().status == 200
    refused = here.rotate("drop")
    assert (refused.code, "1 live session may have tokens that the old key signed" in refused.err) == (3, True)
    phone.log_out()
    phone = ZapPhone(InProcess()).sign_up()
    assert here.rotate("drop").code == 0
    assert here.kids == [new]
    assert phone.me().status == phone.refresh().status == 200
    server.stop()
    assert not RunningServer.objects.exists()
    events = SecurityEvent.objects.filter(event="signing_keys_changed").order_by("pk")
    assert [(entry.details["step"], entry.operator) for entry in events] == [
        (step, operator_name()) for step in ("add", "sign", "drop")
    ]


def test_without_a_step_it_shows_the_keys_the_servers_and_what_is_next(here):
    server = here.start_server("auth1 127.0.0.1:8000")
    out = manage("rotatekeys").out
    assert f"key     {here.kids[0]}  signs" in out
    assert "server  auth1 127.0.0.1:8000  the same keys" in out
    here.rotate("add")
    out = manage("rotatekeys").out
    assert "auth1 127.0.0.1:8000  other keys" in out
    assert "Next step: rotatekeys sign" in out
    assert "Not yet: The server auth1 127.0.0.1:8000 does not have the new key yet" in out
    server.stop()


@pytest.mark.parametrize("step", ["add", "sign", "drop", "leaked"])
def test_a_dry_run_changes_nothing(here, step):
    publish(here)
    if step != "sign":
        here.rotate("sign")
    text = here.path.read_text()
    done = here.rotate(step, "--dry-run", "--force")
    assert (done.code, done.err.startswith("Would ")) == (0, True), done
    assert here.path.read_text() == text
    assert not SigningKey.objects.exclude(leaked_at=None).exists()
    assert SecurityEvent.objects.filter(event__startswith="signing_keys").count() == (1 if step == "sign" else 2)


# --- what it refuses --------------------------------------------------------------------------------


def refused(here, step, *why):
    """Check that the step is refused for these reasons, and that it can be forced, which is told and recorded."""
    text = here.path.read_text()
    done = here.rotate(step)
    assert done.code == 3, done
    for each in why:
        assert re.search(each, done.err), done.err
    assert "Nothing was changed. --force" in done.err
    assert here.path.read_text() == text
    forced = here.rotate(step, "--force", "--reason", "I know")
    assert forced.code == 0, forced
    assert all(re.search(f"Forced, although: .*{each}", forced.err) for each in why), forced.err
    entry = SecurityEvent.objects.filter(event="signing_keys_changed").latest("pk")
    assert (entry.details["forced"], entry.details["note"]) == (True, "I know")


def test_a_second_rotation_does_not_begin_before_the_first_one_is_done(here):
    publish(here)
    refused(here, "add", "A rotation is not finished: its next step is `sign`")


def test_the_new_key_does_not_sign_before_every_server_has_it(here):
    late = here.start_server("auth2")
    publish(here, "auth1")
    refused(here, "sign", "The server auth2 does not have the new key yet")
    late.stop()


def test_the_new_key_does_not_sign_before_services_have_fetched_it(here):
    publish(here)
    RunningServer.objects.update(started_at=database_now() - timedelta(seconds=299))
    assert here.rotate("sign", "--dry-run", "--caches", "4m").code == 0
    assert here.rotate("sign", "--dry-run", "--caches", "10h").code == 3
    refused(here, "sign", r"Wait until \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC")


def test_the_new_key_does_not_sign_while_no_server_runs(here):
    here.rotate("add")
    refused(here, "sign", "No server runs")


def test_on_a_second_machine_the_step_needs_no_second_wait(here):
    publish(here, "auth1", "auth2")
    before = here.path.read_text()
    here.rotate("sign")
    here.start_server("auth1 again")
    RunningServer.objects.filter(name="auth1").delete()
    here.path.write_text(before)
    here.load()
    assert here.rotate("sign").code == 0


def test_a_key_that_only_another_machine_has_is_not_overwritten(here):
    publish(here, "auth1")
    here.write(new_private_key_pem())
    here.load()
    refused(here, "add", "The server auth1 has a key that SIGNING_KEYS lacks here. Copy its keys to here")


def test_the_old_key_is_not_dropped_while_a_server_signs_with_it(here):
    publish(here)
    here.rotate("sign")
    refused(here, "drop", "The server auth1 still signs with the old key")


def test_the_old_key_is_dropped_when_the_last_session_of_its_time_has_ended(here):
    phone = ZapPhone(InProcess()).sign_up()
    (server,) = publish(here)
    here.rotate("sign")
    server.stop()
    here.start_server("auth1")
    ZapPhone(InProcess()).sign_up()  # its tokens are signed with the new key
    assert here.rotate("drop", "--dry-run").code == 3
    Session.objects.filter(user_id=phone.user_id).update(expires_at=database_now())
    assert here.rotate("drop").code == 0


def test_keys_of_before_the_servers_told_their_keys_count_from_the_first_start(here):
    old, new = new_private_key_pem(), new_private_key_pem()
    here.write(new + old)
    here.load()
    ZapPhone(InProcess()).sign_up()
    server = here.start_server()
    assert "old, verifies" in manage("rotatekeys").out
    assert here.rotate("drop", "--dry-run").code == 3
    server.stop()


@pytest.mark.parametrize(("step", "why"), [("sign", "no new key"), ("drop", "no old key")])
def test_a_step_without_a_key_for_it_is_an_error(here, step, why):
    done = here.rotate(step, "--force")
    assert (done.code, why in done.err) == (2, True)
