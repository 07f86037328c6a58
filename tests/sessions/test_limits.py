"""The limit on the sessions of a user. Over the limit, the oldest session ends."""

from datetime import timedelta

import pytest

from sessions.models import EndReason, Session
from tests.phones import all_pushes
from users.models import App, DeviceToken


@pytest.fixture
def phones(new_phone, clock, db):
    """Makes phones of one user. Each logs in a minute after the one before."""
    owner = new_phone(device_token="push 0").sign_up()
    made = [owner]

    def log_in(count):
        for _ in range(count):
            clock.shift(timedelta(minutes=1))
            shared = {"app_id": owner.app_id, "app_key": owner.app_key} if owner.dialect == "buddy" else {}
            made.append(new_phone(device_token=f"push {len(made)}", **shared))
            assert made[-1].log_in(owner.username).status == 200
        return made

    return log_in


def test_without_a_limit_nobody_is_logged_out(phones):
    assert [phone.me().status for phone in phones(9)] == [200] * 10


@pytest.mark.parametrize("by_app", [False, True], ids=["by the settings", "by the app"])
def test_over_the_limit_the_oldest_session_ends_with_its_reason_and_its_pushes(phones, settings, by_app):
    phones(2)
    settings.SESSIONS_PER_USER = 1 if by_app else 3
    if by_app:
        App.objects.update(sessions_per_user=3)
    made = phones(1)
    assert [phone.me().status for phone in made] == [401, 200, 200, 200]
    ended = Session.objects.exclude(ended_at=None).get()
    assert (ended.end_reason, ended.ended_by) == (EndReason.OVER_LIMIT, None)
    assert set(all_pushes()) == {"push 1", "push 2", "push 3"}
    if made[0].refresh_token:
        assert made[0].refresh().status == 401


def test_an_app_can_be_without_the_limit_of_the_others(phones, settings):
    settings.SESSIONS_PER_USER = 1
    App.objects.update(sessions_per_user=0)
    assert [phone.me().status for phone in phones(2)] == [200] * 3


def test_what_has_timed_out_takes_nobodys_place(phones, settings, clock):
    settings.SESSIONS_PER_USER = 2
    made = phones(1)
    clock.shift(settings.SESSION_IDLE_TIMEOUT)
    phones(2)
    assert [phone.me().status for phone in made] == [401, 401, 200, 200]
    reasons = Session.objects.exclude(ended_at=None).values_list("end_reason", flat=True)
    assert set(reasons) == {EndReason.IDLE}


def test_another_users_sessions_do_not_count(phones, new_phone, settings):
    settings.SESSIONS_PER_USER = 1
    owner, other = phones(0)[0], new_phone().sign_up()
    assert (owner.me().status, other.me().status) == (200, 200)


@pytest.mark.only("zap")
def test_a_limit_that_ends_a_forgotten_login_leaves_the_phone_its_pushes(new_phone, settings, clock):
    settings.SESSIONS_PER_USER = 2
    phone = new_phone(device_token="push").sign_up()
    for _ in range(3):
        clock.shift(timedelta(minutes=1))
        phone.log_in(phone.username)
    assert DeviceToken.objects.get().user_id == phone.user_id
    assert Session.objects.filter(ended_at=None).count() == 2
