"""`manage.py rotatekeys` while a server is silent: it was killed, or an outage has just ended."""

from contextvars import copy_context
from datetime import timedelta
from types import SimpleNamespace

import pytest
import time_machine

from sessions.models import RunningServer, SigningKey
from sessions.rotation import state, times
from sessions.rotation.watch import KeyWatch, LeakedKeys
from tests.commands.key_files import Environment
from tests.commands.terminal import manage
from users.clock import database_now


@pytest.fixture
def here(settings, tmp_path, db):
    with time_machine.travel("2026-03-01T12:00:00Z", tick=False) as clock:
        here = Environment(settings, tmp_path / "env")
        here.clock = clock
        yield here


@pytest.fixture
def waits(here, monkeypatch):
    """How long the command has waited, in seconds, and what happens while it waits."""
    waits = SimpleNamespace(seconds=0.0, meanwhile=lambda: None)

    def sleep(seconds):
        here.clock.shift(seconds)
        waits.seconds += seconds
        waits.meanwhile()

    monkeypatch.setattr(state, "time", SimpleNamespace(sleep=sleep))
    return waits


def publish(here, name):
    """Add a new key, and start a server with it. Its key is newer than the first one by the clock."""
    assert here.rotate("add").code == 0
    here.clock.shift(1)
    server = here.start_server(name)
    after_an_outage(here, minutes=6)
    server._tell()
    return server


def two_servers_that_sign_with_different_keys(here):
    """Start one server with the new key in front, and one that still signs with the old one."""
    late = publish(here, "auth1")
    assert here.rotate("sign").code == 0
    return here.start_server("auth2"), late


def after_an_outage(here, minutes=10):
    here.clock.shift(timedelta(minutes=minutes))


# --- a killed server --------------------------------------------------------------------------------


def test_a_killed_server_counts_as_running_for_a_minute_and_then_the_command_waits_for_its_sign_of_life(here, waits):
    killed = here.start_server("auth2")
    running = publish(here, "auth1")
    killed._tell()
    waits.meanwhile = running._tell
    here.clock.shift(59)
    assert (here.rotate("sign", "--dry-run").code, waits.seconds) == (3, 0)
    here.clock.shift(1)
    running._tell()
    assert "server  auth2  silent since 2026-03-01 12:06:01 UTC" in manage("rotatekeys").out
    done = here.rotate("sign", "--dry-run")
    assert (done.code, "Silent for over a minute: auth2." in done.err) == (0, True), done
    assert waits.seconds == 30


def test_a_key_with_which_a_killed_server_signed_is_not_dropped_for_a_day(here, waits):
    other, _ = two_servers_that_sign_with_different_keys(here)
    after_an_outage(here)
    other._tell()
    refused = here.rotate("drop", "--dry-run")
    assert (refused.code, waits.seconds) == (3, 30)
    assert "auth1 signed with the old key, was not stopped in order, and has been silent since" in refused.err
    after_an_outage(here, minutes=24 * 60)
    other._tell()
    other._tell()  # only now it is sure that auth1 had the time to tell again
    assert here.rotate("drop", "--dry-run").code == 0


# --- the first seconds after an outage ----------------------------------------------------------------


def test_after_an_outage_a_key_with_which_a_server_signs_is_not_dropped_before_that_server_tells_it(here, waits):
    other, late = two_servers_that_sign_with_different_keys(here)
    after_an_outage(here)

    def tell_again():
        other._tell()
        if waits.seconds == 10:
            late._tell()

    waits.meanwhile = tell_again
    refused = here.rotate("drop")
    assert (refused.code, waits.seconds) == (3, 10)
    assert "The server auth1 still signs with the old key" in refused.err
    assert len(here.kids) == 2


def test_after_an_outage_the_new_key_does_not_sign_before_every_server_had_the_time_to_say_that_it_lacks_it(
    here, waits
):
    late = here.start_server("auth2")
    first = publish(here, "auth1")
    after_an_outage(here)
    waits.meanwhile = lambda: (first._tell(), late._tell())
    refused = here.rotate("sign")
    assert (refused.code, waits.seconds) == (3, 0.5)
    assert "The server auth2 does not have the new key yet" in refused.err


def test_the_first_server_that_tells_after_an_outage_of_days_forgets_no_other(here):
    first, other = here.start_server("auth1"), here.start_server("auth2")
    after_an_outage(here, minutes=3 * 24 * 60)
    first._tell()
    assert RunningServer.objects.filter(name="auth2").exists()
    here.clock.shift(timedelta(seconds=10))
    other._tell()
    first._tell()
    assert RunningServer.objects.count() == 2


def test_a_server_that_stops_after_an_outage_leaves_the_key_of_a_silent_one_as_it_is(here):
    first, _ = here.start_server("auth1"), here.start_server("auth2")
    after_an_outage(here)
    first._tell()
    first.stop()
    assert SigningKey.objects.get().signed_until == database_now() + timedelta(minutes=1)


def test_a_server_that_could_not_tell_tries_again_each_second_and_then_warns_of_other_keys(
    here, waits, monkeypatch, caplog
):
    server, tell, pauses = here.start_server("auth1"), KeyWatch._tell, []
    publish(here, "auth2")
    assert here.rotate("sign").code == 0
    here.start_server("auth3")

    def fail(*_):
        raise OSError("on purpose")

    def wait(seconds):
        pauses.append(seconds)
        monkeypatch.setattr(KeyWatch, "_tell", fail if len(pauses) < 4 else tell)
        return len(pauses) == 6

    monkeypatch.setattr(times, "TELL_EVERY", timedelta(seconds=10))  # as it is outside of the tests
    monkeypatch.setattr(server._stopped, "wait", wait)
    monkeypatch.setattr("sessions.rotation.watch.connections", SimpleNamespace(close_all=lambda: None))
    copy_context().run(server.run)
    assert pauses == [10, 1, 1, 1, 10, 10]
    assert times.TELL_AGAIN < times.TELL_EVERY < times.TOLD_WITHIN
    assert caplog.text.count("auth3 signs with a key that SIGNING_KEYS lacks here") == 1


# --- the emergency ------------------------------------------------------------------------------------


def test_a_leak_is_reported_at_once_while_servers_are_silent(here, waits):
    killed = here.start_server("auth2")
    after_an_outage(here)
    leaked = here.kids
    assert (here.rotate("leaked").code, waits.seconds) == (0, 0)
    assert set(SigningKey.objects.exclude(leaked_at=None).values_list("pk", flat=True)) == set(leaked)
    with pytest.raises(LeakedKeys):
        killed._tell()
