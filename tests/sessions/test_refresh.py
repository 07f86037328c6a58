"""Refresh: what a refresh token grants, and when it is refused."""

import json
from datetime import timedelta

import pytest
import time_machine
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from sessions import refresh as refreshing
from sessions.models import EndReason, Session
from sessions.tokens.jwt import RefreshToken

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
        settings.SESSION_IDLE_TIMEOUT = timedelta(0)
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
    settings.ROTATE_REFRESH_TOKENS, settings.REFRESH_GRACE = True, timedelta(0)
    phone = new_phone(device_token="phone").sign_up()
    successor = phone.refresh().json["data"]
    assert phone.refresh().status == 401  # the old token, a second time
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


# --- a lost answer -------------------------------------------------------------------------------


def claims(answer):
    return RefreshToken.read(answer.json["data"]["refreshToken"]).payload


def refresh_as(phone, user_agent):
    headers = {"Content-Type": "application/json", "User-Agent": user_agent}
    return phone.send("POST", "/v1/refresh", headers=headers, content=json.dumps({"refreshToken": phone.refresh_token}))


@pytest.fixture
def rotating(settings):
    settings.ROTATE_REFRESH_TOKENS = True
    settings.REFRESH_GRACE = timedelta(seconds=30)
    with time_machine.travel("2026-03-01T12:00:00Z", tick=False) as clock:
        yield clock


def test_a_client_that_lost_the_answer_gets_the_same_successor_again(new_phone, rotating):
    phone = new_phone().sign_up()
    lost = phone.refresh()
    rotating.shift(timedelta(seconds=29))
    again = phone.refresh()
    assert claims(again) == claims(lost)
    assert phone.me(again.json["data"]["token"]).status == 200
    assert OutstandingToken.objects.count() == 2
    phone.refresh_token = again.json["data"]["refreshToken"]
    assert phone.refresh().status == 200


def test_after_the_grace_a_used_refresh_token_is_theft(new_phone, rotating):
    phone = new_phone().sign_up()
    phone.refresh()
    rotating.shift(timedelta(seconds=30))
    assert phone.refresh().status == 401
    assert Session.objects.get().end_reason == EndReason.REFRESH_REUSED


def test_within_the_grace_a_used_refresh_token_of_another_client_is_theft(new_phone, rotating):
    phone = new_phone().sign_up()
    assert refresh_as(phone, "TheApp/1.0").status == 200
    assert refresh_as(phone, "TheApp/1.0").status == 200
    assert refresh_as(phone, "curl/8.0").status == 401
    assert Session.objects.get().end_reason == EndReason.REFRESH_REUSED


def test_a_used_refresh_token_whose_successor_was_used_is_theft(new_phone, rotating):
    phone = new_phone().sign_up()
    oldest = phone.refresh_token
    phone.refresh_token = phone.refresh().json["data"]["refreshToken"]
    assert phone.refresh().status == 200
    phone.refresh_token = oldest
    assert phone.refresh().status == 401
    assert Session.objects.get().end_reason == EndReason.REFRESH_REUSED


def test_a_used_refresh_token_whose_successor_is_used_at_that_moment_is_theft(new_phone, rotating, monkeypatch):
    phone, thief = new_phone().sign_up(), new_phone()
    thief.refresh_token = phone.refresh_token
    phone.refresh_token = phone.refresh().json["data"]["refreshToken"]
    successor_of = refreshing._successor_of

    def use_it_first(session):
        assert phone.refresh().status == 200
        return successor_of(session)

    monkeypatch.setattr(refreshing, "_successor_of", use_it_first)
    assert thief.refresh().status == 401
    assert Session.objects.get().end_reason == EndReason.REFRESH_REUSED


def test_a_lost_answers_successor_that_other_hands_have_blacklisted_is_not_given_again(new_phone, rotating):
    phone = new_phone().sign_up()
    jti = claims(phone.refresh())["jti"]
    BlacklistedToken.objects.create(token=OutstandingToken.objects.get(jti=jti))
    assert phone.refresh().status == 401


def test_a_retry_after_the_logout_gets_nothing(new_phone, rotating):
    phone = new_phone().sign_up()
    phone.access_token = phone.refresh().json["data"]["token"]
    assert phone.log_out().status == 200
    assert phone.refresh().status == 401
    assert Session.objects.get().end_reason == EndReason.LOGOUT
