"""Sessions that end by themselves, exact to the second, and what is recorded."""

from datetime import timedelta

import pytest
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken

from sessions.models import EndReason, Refusal, Session
from sessions.timeouts import end_timed_out
from sessions.upkeep.sweeper import sweep
from users.clients import get_zap_app
from users.models import App, DeviceToken

SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)


def session_of(phone):
    return Session.objects.select_related("app", "user").get(user_id=phone.user_id)


def refreshed(phone):
    """Return an unexpired access token, for dialects with refresh."""
    if phone.dialect == "zap":
        answer = phone.refresh()
        if answer.status != 200:
            return answer
        phone.access_token = answer.json["data"]["token"]
    return phone.me()


@pytest.mark.parametrize("by_app", [False, True], ids=["by the settings", "by the app"])
def test_an_idle_session_is_good_until_the_second_of_its_time_out(new_phone, clock, settings, by_app):
    phone = new_phone(device_token="push").sign_up()
    if by_app:
        App.objects.update(idle_timeout=2 * DAY)
    else:
        settings.SESSION_IDLE_TIMEOUT = 2 * DAY
    clock.shift(2 * DAY - SECOND)
    assert refreshed(phone).status == 200
    clock.shift(2 * DAY - SECOND)
    assert refreshed(phone).status == 200
    clock.shift(2 * DAY)
    assert refreshed(phone).status == 401
    assert session_of(phone).refusal(session_of(phone).last_seen_at + 2 * DAY) == Refusal.IDLE


def test_an_app_can_let_sessions_idle_for_ever(new_phone, clock, settings):
    phone = new_phone().sign_up()
    App.objects.update(idle_timeout=timedelta(0))
    clock.shift(settings.SESSION_LIFETIME - SECOND)
    assert refreshed(phone).status == 200
    assert end_timed_out() == 0


@pytest.mark.parametrize("by_app", [False, True], ids=["by the settings", "by the app"])
def test_a_session_in_daily_use_ends_on_the_second_of_its_lifetime(new_phone, clock, settings, by_app):
    settings.SESSION_LIFETIME = 10 * DAY
    get_zap_app()
    phone = new_phone()
    if by_app:
        App.objects.update(session_lifetime=5 * DAY)
    phone.sign_up()
    for _ in range(4 if by_app else 9):
        clock.shift(DAY)
        assert refreshed(phone).status == 200
    clock.shift(DAY - SECOND)
    assert refreshed(phone).status == 200
    clock.shift(SECOND)
    assert refreshed(phone).status == 401
    assert session_of(phone).refusal(session_of(phone).expires_at) == Refusal.EXPIRED


def test_a_used_session_is_noted_often_enough_for_a_short_idle_time_out(new_phone, clock, settings):
    settings.SESSION_IDLE_TIMEOUT = timedelta(minutes=10)
    phone = new_phone().sign_up()
    for _ in range(30):
        clock.shift(timedelta(minutes=1))
        if phone.dialect == "zap":
            phone.access_token = phone.refresh().json["data"]["token"]
        assert phone.me().status == 200


@pytest.mark.only("buddy")
def test_an_app_level_token_never_idles(new_phone, clock, settings):
    phone = new_phone().sign_up()
    clock.shift(settings.APP_SESSION_LIFETIME - SECOND)
    assert phone.call("PATCH", "/devices/current", {}, token=phone.app_token).status == 200


# --- what is written down ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("idle", "after", "reason"),
    [(14 * DAY, 14 * DAY, EndReason.IDLE), (0 * DAY, 30 * DAY, EndReason.EXPIRED)],
    ids=["idle", "expired"],
)
def test_a_sweep_ends_what_has_timed_out_with_its_reason_and_stops_its_pushes(
    new_phone, clock, settings, idle, after, reason
):
    settings.SESSION_IDLE_TIMEOUT = idle
    phone = new_phone(device_token="push").sign_up()
    clock.shift(after - SECOND)
    sweep()
    assert session_of(phone).ended_at is None
    assert DeviceToken.objects.get().user_id == phone.user_id
    clock.shift(SECOND)
    sweep()
    assert (session_of(phone).end_reason, session_of(phone).ended_by) == (reason, None)
    assert DeviceToken.objects.get().user is None
    # An expired refresh token needs no blacklist.
    assert BlacklistedToken.objects.count() == (1 if phone.dialect == "zap" and reason != EndReason.EXPIRED else 0)


def test_a_sweep_leaves_the_others_alone(new_phone, clock):
    late, live = new_phone().sign_up(), new_phone()
    clock.shift(13 * DAY)
    live.sign_up()
    clock.shift(DAY)
    assert end_timed_out(Session.objects.exclude(user=None)) == 1
    assert session_of(late).end_reason == EndReason.IDLE
    assert session_of(live).ended_at is None


@pytest.mark.only("zap")
def test_a_forgotten_login_that_times_out_takes_no_pushes_from_the_one_in_use(new_phone, clock):
    forgotten = new_phone(device_token="push").sign_up()
    clock.shift(10 * DAY)
    in_use = new_phone(device_token="push")
    in_use.log_in(forgotten.username)
    clock.shift(4 * DAY)
    assert end_timed_out() == 1
    assert DeviceToken.objects.get().user_id == in_use.user_id
    clock.shift(10 * DAY)
    assert end_timed_out() == 1
    assert DeviceToken.objects.get().user is None


def test_a_sweep_of_many_goes_in_batches_to_the_end(new_phone, clock, monkeypatch, settings):
    monkeypatch.setattr("sessions.timeouts.BATCH", 3)
    phone = new_phone().sign_up()
    one = session_of(phone)
    Session.objects.bulk_create(
        [
            Session(app=one.app, user=one.user, created_at=one.created_at, last_seen_at=at, expires_at=one.expires_at)
            for at in [one.last_seen_at] * 7
        ]
    )
    clock.shift(settings.SESSION_LIFETIME)
    assert end_timed_out(Session.objects.filter(user=phone.user_id)) == 8
    assert end_timed_out(Session.objects.filter(user=phone.user_id)) == 0
