"""`manage.py rotatekeys`: the steps of a rotation, what it refuses, and where the keys go."""

import os
import re
import stat
from contextlib import nullcontext
from datetime import timedelta

import pytest

from sessions.models import BulkRun, RunningServer, Session, SigningKey
from sessions.rotation.ring import in_one_line, kids_in, kids_that_can_sign
from sessions.rotation.watch import KeyWatch, LeakedKeys
from sessions.tokens.keys import key_ring, new_private_key_pem
from tests.commands.terminal import manage
from tests.phones import InProcess, ZapPhone
from users.clock import database_now
from users.models import SecurityEvent
from users.record.operator import operator_name

PRIVATE = "PRIVATE KEY"


class Environment:
    """The environment of a command and of the servers that are started with it: `SIGNING_KEYS` in a file."""

    def __init__(self, settings, path):
        self.settings, self.path = settings, path
        settings.SIGNING_KEYS_FILE = None
        self.write(new_private_key_pem())
        self.load()

    def write(self, pem):
        self.path.write_text(f"WORKERS=2\nSIGNING_KEYS='{in_one_line(pem)}'\nPORT=8000\n")
        self.path.chmod(0o600)

    def load(self):
        (value,) = re.findall("^SIGNING_KEYS='(.*)'$", self.path.read_text(), re.MULTILINE)
        self.settings.SIGNING_KEYS = value

    def rotate(self, line, *more):
        done = manage("rotatekeys", *line.split(), *more, "--env-file", str(self.path))
        assert PRIVATE not in done.out + done.err
        self.load()
        return done

    @property
    def kids(self):
        return kids_in(self.settings.SIGNING_KEYS)

    def start_server(self, name="auth1"):
        watch = KeyWatch(name)
        watch.begin()
        return watch


@pytest.fixture
def here(settings, tmp_path, db):
    return Environment(settings, tmp_path / "env")


def publish(here, *names):
    """Add a new key, and start these servers with it an hour ago."""
    assert here.rotate("add").code == 0
    servers = [here.start_server(name) for name in names or ["auth1"]]
    RunningServer.objects.update(started_at=database_now() - timedelta(hours=1))
    return servers


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
    assert (refused.code, "1 live sessions may have tokens that the old key signed" in refused.err) == (3, True)
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


def test_a_killed_server_counts_as_running_for_a_minute(here):
    killed = here.start_server("auth2")
    publish(here, "auth1")
    renewed = RunningServer.objects.filter(pk=killed._server.pk)
    renewed.update(seen_at=database_now() - timedelta(seconds=55))
    assert here.rotate("sign", "--dry-run").code == 3
    renewed.update(seen_at=database_now() - timedelta(seconds=61))
    assert here.rotate("sign", "--dry-run").code == 0


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
    refused(here, "add", "The server auth1 has a key that SIGNING_KEYS lacks here. Copy the keys from there")


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


# --- where the keys go ------------------------------------------------------------------------------


def test_without_a_file_the_command_says_what_it_needs(here):
    done = manage("rotatekeys add")
    assert (done.code, "--env-file FILE, or --print" in done.err) == (2, True)
    assert manage("rotatekeys add --print --env-file x").code == 2


def test_the_new_value_is_printed_only_on_request_and_changes_no_file(here):
    text = here.path.read_text()
    done = manage("rotatekeys add --print")
    (line,) = done.out.splitlines()
    assert here.path.read_text() == text
    assert PRIVATE not in done.err
    (value,) = re.findall("^SIGNING_KEYS='(.+)'$", line)
    assert kids_in(value)[0] == here.kids[0]
    assert len(kids_that_can_sign(value)) == 2


def test_the_other_lines_the_owner_and_the_mode_of_the_file_stay(here):
    owner = (1234, 1235) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
    os.chown(here.path, *owner)
    here.path.chmod(0o644)
    here.rotate("add")
    lines = here.path.read_text().splitlines()
    assert [lines[0], lines[2], len(lines)] == ["WORKERS=2", "PORT=8000", 3]
    found = here.path.stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (*owner, 0o640)
    assert os.listdir(here.path.parent) == [here.path.name]


def test_a_local_installation_has_its_keys_in_a_file_of_its_own(here, settings, tmp_path):
    settings.SIGNING_KEYS_FILE = file = tmp_path / "signing_keys.pem"
    file.write_text(settings.SIGNING_KEYS.replace("\\n", "\n"))
    done = manage("rotatekeys add")
    assert (done.code, PRIVATE in done.out + done.err) == (0, False)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(key_ring(file.read_text()).verifying) == 2


BROKEN = {
    "another environment": (f"SIGNING_KEYS='{in_one_line(new_private_key_pem())}'\n", "Load the file again"),
    "no such line": ("PORT=8000\n", "has no lines SIGNING_KEYS="),
    "two such lines": ("SIGNING_KEYS=a\nSIGNING_KEYS=b\n", "has 2 lines SIGNING_KEYS="),
    "several lines": (f"SIGNING_KEYS='{new_private_key_pem()}'\n", "Write all keys in one line"),
    "no text": ("\udcff", "it is not UTF-8"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_file_that_is_not_understood_stays_as_it_is(here, what):
    text, why = BROKEN[what]
    here.path.write_bytes(text.encode(errors="surrogateescape"))
    done = manage("rotatekeys add --env-file", str(here.path))
    assert (done.code, why in done.err, "Nothing was changed" in done.err) == (1, True, True), done
    assert here.path.read_bytes() == text.encode(errors="surrogateescape")
    assert not SecurityEvent.objects.filter(event="signing_keys_changed").exists()


def test_a_folder_that_can_not_be_written_changes_nothing(here, monkeypatch):
    def fail(*_, **__):
        raise PermissionError(13, "Permission denied")

    text = here.path.read_text()
    monkeypatch.setattr("sessions.rotation.places.os.replace", fail)
    done = here.rotate("add")
    assert (done.code, "Permission denied" in done.err) == (1, True)
    assert (here.path.read_text(), os.listdir(here.path.parent)) == (text, [here.path.name])
    assert not SecurityEvent.objects.filter(event="signing_keys_changed").exists()


# --- after a leak -----------------------------------------------------------------------------------


def test_a_leak_replaces_the_key_and_ends_every_session_at_once(here):
    phone, (server,) = ZapPhone(InProcess()).sign_up(), publish(here)
    leaked = here.kids
    done = here.rotate("leaked")
    assert done.code == 0, done
    assert "Ended 1 session." in done.out
    assert not set(here.kids) & set(leaked)
    assert len(here.kids) == 1
    assert (phone.me().status, phone.refresh().status) == (401, 401)
    assert set(SigningKey.objects.exclude(leaked_at=None).values_list("pk", flat=True)) == set(leaked)
    entry = SecurityEvent.objects.get(event="signing_keys_leaked")
    assert (set(entry.details["leaked"]), entry.details["keys"]) == (set(leaked), here.kids)
    assert BulkRun.objects.get().selection == {"everyone": True}
    server._try_to_tell()
    assert isinstance(server.leaked, LeakedKeys)
    here.start_server("with the new key").stop()


def test_no_server_starts_with_a_leaked_key(here):
    text = here.path.read_text()
    here.rotate("leaked")
    here.path.write_text(text)
    here.load()
    with pytest.raises(LeakedKeys, match=r"docs/keys\.md"):
        here.start_server()


def test_a_leak_is_confirmed_like_every_large_logout(here, settings):
    for _ in range(2):
        ZapPhone(InProcess()).sign_up()
    settings.BULK_CONFIRM_OVER = 1
    text = here.path.read_text()
    assert here.rotate("leaked").code == 3
    assert here.path.read_text() == text
    assert not SigningKey.objects.exclude(leaked_at=None).exists()
    (digest,) = re.findall("digest: (.+)", here.rotate("leaked --dry-run").out)
    ZapPhone(InProcess()).sign_up()  # more sessions than confirmed do not stop it
    assert here.rotate("leaked", "--confirm", digest).code == 0
    assert not Session.objects.filter(ended_at=None).exists()


def test_the_same_leak_is_not_reported_twice_by_mistake(here):
    old = here.path.read_text()
    here.rotate("leaked")
    new = here.path.read_text()
    here.path.write_text(old)
    here.load()
    done = here.rotate("leaked")
    assert (done.code, "A new one was made then" in done.err) == (3, True)
    here.path.write_text(new)
    here.load()
    assert here.rotate("leaked").code == 0  # the new key has leaked, too


def test_an_interrupted_leak_says_how_to_go_on(here, monkeypatch):
    ZapPhone(InProcess()).sign_up()

    def interrupt(_):
        yield 0
        raise KeyboardInterrupt

    monkeypatch.setattr("sessions.management.commands.rotatekeys.sweep_run", interrupt)
    monkeypatch.setattr("sessions.management.bulk_command.noticing_signals", lambda: nullcontext(lambda: True))
    done = here.rotate("leaked")
    assert (done.code, "manage.py logout --everyone" in done.err) == (130, True), done


# --- servers -----------------------------------------------------------------------------------------


def test_a_server_warns_of_another_one_that_would_refuse_its_tokens(here, caplog):
    first = here.start_server("auth1")
    here.write(new_private_key_pem())
    here.load()
    second = here.start_server("auth2")
    assert "auth1 does not have the key that signs here" in caplog.text
    assert "auth1 signs with a key that SIGNING_KEYS lacks here" in caplog.text
    SigningKey.objects.filter(pk=first._server.kids[0]).update(leaked_at=database_now())
    caplog.clear()
    here.start_server("auth3")
    assert "auth1" not in caplog.text
    second.stop()


def test_an_outage_is_told_once_and_the_server_is_listed_again_after_it(here, caplog, monkeypatch):
    server = here.start_server()
    tell = server._tell

    def fail():
        raise OSError("on purpose")

    monkeypatch.setattr(server, "_tell", fail)
    server._try_to_tell()
    server._try_to_tell()
    assert caplog.text.count("on purpose") == 1
    RunningServer.objects.all().delete()
    monkeypatch.setattr(server, "_tell", tell)
    server._try_to_tell()
    assert RunningServer.objects.get().name == "auth1"


def test_a_key_has_signed_until_its_last_server_stopped(here):
    one, two = here.start_server("auth1"), here.start_server("auth2")
    one.stop()
    assert SigningKey.objects.get().signed_until > database_now() + timedelta(seconds=50)
    two.stop()
    assert SigningKey.objects.get().signed_until <= database_now()
