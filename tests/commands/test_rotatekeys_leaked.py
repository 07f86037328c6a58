"""`manage.py rotatekeys leaked`, and the servers that have a leaked key."""

import re
from contextlib import nullcontext
from datetime import timedelta

import pytest

from sessions.models import BulkRun, RunningServer, Session, SigningKey
from sessions.rotation.watch import LeakedKeys
from sessions.tokens.keys import new_private_key_pem
from tests.commands.key_files import Environment, publish
from tests.phones import InProcess, ZapPhone
from users.clock import database_now
from users.models import SecurityEvent


@pytest.fixture
def here(settings, tmp_path, db):
    return Environment(settings, tmp_path / "env")


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
