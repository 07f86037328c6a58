"""The canary: it tells a logout that is true from one that is not, and from one that it could not measure."""

from contextlib import suppress
from datetime import UTC, datetime
from http.client import HTTPConnection

import pytest
from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.core.management import CommandError, call_command
from django.db import connection
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from sessions.models import Session
from sessions.upkeep.canary import CANARY_ID, forget_canaries, open_buddy_session, open_zap_session
from tests.phones import PASSWORD, BuddyPhone, InProcess, ZapPhone, pushes_of
from tests.servers import free_port, running_server
from tests.waiting import wait_until
from users.models import App, SecurityEvent, User
from zapauth.canary import lines
from zapauth.canary.errors import CannotMeasure
from zapauth.canary.lines import Lines
from zapauth.canary.round import Rounds

ROUNDS = 'zapauth_canary_rounds_total{{outcome="{}"}}'
HELD, COUNT = 'zapauth_revoke_to_refusal_seconds_bucket{le="0.0"}', "zapauth_revoke_to_refusal_seconds_count"


def canary(*words, capsys):
    """Run the command. Returns its exit code and its output."""
    code = 0
    try:
        call_command("canary", *words)
    except SystemExit as error:
        code = error.code
    return code, capsys.readouterr().out


def left():
    """Return how many rows of the canary there are, without its account, app and device."""
    return [
        Session.objects.count(),
        OutstandingToken.objects.count(),
        BlacklistedToken.objects.count(),
    ]


def test_a_round_reaches_all_workers_in_both_dialects_and_leaves_nothing_behind(server):
    rounds = Rounds(Lines([server.base_url]))
    try:
        results = [rounds.run_one(), rounds.run_one()]
    finally:
        rounds.close()
    for result in results:
        assert (result.problem, result.workers, result.servers) == ("", 2, 1)
        assert [each.dialect for each in result.measured] == ["zap", "buddy"]
        assert all(each.seconds < 0 for each in result.measured)
    assert left() == [0, 0, 0]
    # There was no log-in: the record has only that the account and the apps were made.
    assert set(SecurityEvent.objects.values_list("event", flat=True)) == {"app_created", "user_created"}


@pytest.fixture
def liar(transactional_db, tmp_path):
    """A server that accepts logged-out tokens while the file exists. It has a canary and figures of its own."""
    flag, port = tmp_path / "flag", free_port()
    given = {"DJANGO_SETTINGS_MODULE": "tests.stale_settings", "STALE_FLAG": str(flag)}
    with running_server(**given, CANARY_EVERY="1", METRICS_PORT=str(port)) as server:
        yield server, flag, port


def figure(port, name):
    """Return a figure of the server as its page of metrics has it."""
    with suppress(OSError):
        connection = HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        connection.close()
        return next((float(line.split()[-1]) for line in text.splitlines() if line.startswith(f"{name} ")), 0.0)
    return 0.0


def test_a_worker_that_accepts_a_token_after_its_logout_is_found_from_outside_and_from_inside(liar, capsys):
    server, flag, port = liar
    code, told = canary("--once", "--url", server.base_url, capsys=capsys)
    assert (code, "the bound of 0 s held" in told) == (0, True), told
    wait_until(lambda: figure(port, ROUNDS.format("ok")) >= 1)
    assert figure(port, COUNT) == figure(port, HELD) >= 2
    assert figure(port, ROUNDS.format("broken")) == 0
    assert figure(port, "zapauth_canary_every_seconds") == 1
    flag.touch()
    # It stops at the first round that breaks the bound, and does not go on for an hour.
    code, told = canary("--for", "1h", "--every", "1s", "--url", server.base_url, capsys=capsys)
    assert (code, "BROKEN" in told, "gate at worker" in told) == (1, True, True), told
    wait_until(lambda: figure(port, ROUNDS.format("broken")) >= 1)
    assert figure(port, COUNT) > figure(port, HELD)
    wait_until(lambda: "ERROR zapauth.canary [-] BROKEN" in server.log.read_text())
    flag.unlink()
    App.objects.filter(name=settings.ZAP_APP).update(is_active=False)
    wait_until(lambda: figure(port, ROUNDS.format("unknown")) >= 2)
    assert figure(port, "zapauth_canary_age_seconds") > 0


def test_a_service_that_is_away_is_unknown_and_not_broken(db, capsys):
    code, told = canary("--once", "--url", f"http://127.0.0.1:{free_port()}", capsys=capsys)
    assert (code, "nothing could be measured" in told, "BROKEN" in told) == (2, True, False), told


def test_a_worker_that_is_not_reached_makes_the_round_unknown(server, capsys, monkeypatch):
    who = lines._who
    monkeypatch.setattr(lines, "_who", lambda line: (*who(line)[:2], 3))
    monkeypatch.setattr(lines, "_FIND_WITHIN", 0.5)
    code, told = canary("--once", "--url", server.base_url, capsys=capsys)
    assert (code, "only these workers were reached" in told) == (2, True), told


def test_a_round_that_could_not_be_measured_leaves_no_session_behind(server, monkeypatch):
    def break_off(*arguments):
        raise CannotMeasure("a worker answers too slowly")

    monkeypatch.setattr("zapauth.canary.round._require_accepted", break_off)
    rounds = Rounds(Lines([server.base_url]))
    try:
        result = rounds.run_one()
    finally:
        rounds.close()
    assert result.problem == "a worker answers too slowly"
    assert left() == [0, 0, 0]


def test_an_app_of_zap_that_is_off_makes_the_round_unknown(server, capsys):
    open_zap_session()
    App.objects.filter(name=settings.ZAP_APP).update(is_active=False)
    code, told = canary("--once", "--url", server.base_url, capsys=capsys)
    assert (code, "AppInactive" in told) == (2, True), told


def closed(**columns):
    """Close the account and the app of the canary, as only an earlier version or a restored backup can."""
    open_zap_session()
    open_buddy_session()
    App.objects.filter(pk=CANARY_ID).update(is_active=False)
    User.objects.filter(pk=CANARY_ID).update(**columns)
    forget_canaries([each.pk for each in Session.objects.all()])


@pytest.mark.parametrize("columns", [{"is_active": False}, {"deleted_at": datetime(2026, 1, 1, tzinfo=UTC)}])
def test_a_canary_that_was_disabled_or_deleted_comes_back_by_itself_and_it_is_recorded(server, columns):
    closed(**columns)
    name = User.objects.get(pk=CANARY_ID).username
    User.objects.create_user(name) if "deleted_at" in columns else None  # a deleted user's name is free
    rounds = Rounds(Lines([server.base_url]))
    try:
        assert rounds.run_one().problem == ""
    finally:
        rounds.close()
    user = User.objects.get(pk=CANARY_ID)
    assert (user.is_active, user.deleted_at, user.has_usable_password()) == (True, None, False)
    again = SecurityEvent.objects.filter(event__in=["user_enabled", "app_switched_on"])
    assert sorted(again.values_list("event", "actor")) == [("app_switched_on", None), ("user_enabled", None)]


def test_everybody_out_does_not_stop_the_canary(server, capsys):
    rounds = Rounds(Lines([server.base_url]))
    try:
        assert rounds.run_one().problem == ""
        call_command("logout", "--everyone", "--reason", "a test")
        assert rounds.run_one().problem == ""
    finally:
        rounds.close()


@pytest.mark.parametrize("words", [["--url", "nonsense"], ["--every", "0s"], ["--for", "1 hour"]])
def test_a_wrong_option_is_no_measurement(words, capsys):
    with pytest.raises(CommandError):
        call_command("canary", *words)


def test_what_a_killed_canary_leaves_is_deleted_five_minutes_later(db, time_machine):
    time_machine.move_to("2026-11-22T12:00:00Z", tick=False)
    other = ZapPhone(InProcess(), device_token="phone").sign_up()
    zap, buddy = open_zap_session(), open_buddy_session()
    phone = BuddyPhone(InProcess(), app_id=CANARY_ID)
    phone.access_token = buddy.access_token
    assert phone.log_out().status == 200  # this opens an app-level session
    app_level = Session.objects.get(opened_from=buddy.id)
    time_machine.shift(4 * 60)
    forget_canaries()
    assert Session.objects.filter(pk__in=[zap.id, buddy.id, app_level.pk]).count() == 3
    time_machine.shift(2 * 60)
    forget_canaries()
    assert not Session.objects.filter(pk__in=[zap.id, buddy.id, app_level.pk]).exists()
    assert left() == [1, 1, 0]
    assert other.me().status == 200
    assert pushes_of(other.user_id) == ["phone"]


def test_nobody_can_log_in_as_the_canary_or_with_its_app(db):
    open_buddy_session()
    user, app = User.objects.get(pk=CANARY_ID), App.objects.get(pk=CANARY_ID)
    assert (user.email, user.phone_number, user.is_staff) == (None, None, False)
    for password in ("", "!", "correct-horse-1"):
        body = {"identity": user.username, "password": password}
        assert ZapPhone(InProcess()).call("POST", "/v1/login", body).status in (400, 401)
        assert BuddyPhone(InProcess(), app_id=app.pk, app_key=password).register_device().status in (400, 401)


def test_what_staff_do_with_the_canarys_account_does_not_stop_the_sweep(db, time_machine):
    time_machine.move_to("2026-11-22T12:00:00Z", tick=False)
    open_zap_session()
    User.objects.filter(pk=CANARY_ID).update(password=make_password(PASSWORD))
    phone = BuddyPhone(InProcess())
    assert phone.log_in(User.objects.get(pk=CANARY_ID).username).status == 200
    assert phone.log_out().status == 200  # this opens an app-level session, on a device that is not the canary's
    time_machine.shift(6 * 60)
    forget_canaries()
    connection.check_constraints()
    assert Session.objects.filter(user=CANARY_ID).count() == 1
