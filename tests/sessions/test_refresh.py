"""Refresh: what a refresh token buys, and when it is worth nothing."""

from datetime import timedelta

import pytest
import time_machine
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from sessions.models import EndReason, Session
from sessions.tokens import RefreshToken

pytestmark = pytest.mark.only("zap")


def test_a_refreshed_access_token_works_and_so_does_the_refresh_token_again(new_phone):
    phone = new_phone().sign_up()
    first = phone.refresh()
    assert first.json.keys() == {"success", "data"}
    assert first.json["data"].keys() == {"token"}
    assert phone.me(first.json["data"]["token"]).status == 200
    assert phone.refresh().status == 200


def test_a_refresh_token_is_good_until_the_second_its_session_expires(new_phone, settings):
    with time_machine.travel("2026-03-01T12:00:00Z", tick=False) as clock:
        phone = new_phone().sign_up()
        clock.shift(settings.SESSION_LIFETIME - timedelta(seconds=1))
        last = phone.refresh()
        assert phone.me(last.json["data"]["token"]).status == 200
        clock.shift(timedelta(seconds=1))
        assert phone.refresh().status == 401
        assert phone.me(last.json["data"]["token"]).status == 401


def test_a_refresh_token_blacklisted_by_other_hands_is_refused(new_phone):
    phone = new_phone().sign_up()
    BlacklistedToken.objects.create(token=OutstandingToken.objects.get())
    assert phone.refresh().status == 401


def test_a_rotated_refresh_token_is_replaced_and_the_new_one_works(new_phone, settings):
    settings.ROTATE_REFRESH_TOKENS = True
    phone = new_phone().sign_up()
    answer = phone.refresh().json["data"]
    assert answer["refreshToken"] != phone.refresh_token
    phone.refresh_token = answer["refreshToken"]
    assert phone.refresh().status == 200
    assert OutstandingToken.objects.count() == 3
    assert BlacklistedToken.objects.count() == 2


def test_a_rotated_refresh_token_that_comes_back_ends_the_session(new_phone, settings):
    settings.ROTATE_REFRESH_TOKENS = True
    phone = new_phone(device_token="phone").sign_up()
    successor = phone.refresh().json["data"]
    assert phone.refresh().status == 401  # the old one, a second time
    ended = Session.objects.get()
    assert (ended.end_reason, ended.ended_by) == (EndReason.REFRESH_REUSED, None)
    assert phone.me(successor["token"]).status == 401
    phone.refresh_token = successor["refreshToken"]
    assert phone.refresh().status == 401
    jti = RefreshToken.read(successor["refreshToken"])["jti"]
    assert BlacklistedToken.objects.filter(token__jti=jti).exists()


def test_a_refresh_token_of_another_app_is_refused(new_phone, settings):
    phone = new_phone().sign_up()
    settings.ZAP_APP = "Another"
    assert phone.refresh().status == 401
    assert phone.me().status == 401
