"""What a logout does in both dialects, and what it doesn't change."""

import pytest
from django.db import transaction
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from sessions.authentication import get_live_session
from sessions.devices import log_out_of_device
from sessions.errors import SessionEnded
from sessions.logout import log_out
from sessions.models import EndReason, Session
from sessions.refresh import refresh
from sessions.tokens.jwt import AnyAccessToken, RefreshToken
from tests.locks import is_waited_for
from tests.phones import SEED_DEVICE_TOKEN, address_in, pushes_of
from tests.threads import other_threads
from tests.waiting import wait_until
from users.origin import Origin


def test_a_logged_out_access_token_is_refused_by_the_next_request(new_phone):
    phone = new_phone().sign_up()
    assert phone.me().status == 200
    assert phone.log_out().status == 200
    assert phone.me().status == 401
    assert phone.log_out().status == 401


def test_after_a_logout_no_push_for_the_user_reaches_the_device(new_phone):
    phone = new_phone(device_token=SEED_DEVICE_TOKEN).sign_up()
    assert pushes_of(phone.user_id) == [SEED_DEVICE_TOKEN]
    assert phone.log_out().status == 200
    assert pushes_of(phone.user_id) == []


def test_a_logout_is_on_record_with_who_when_why_and_from_where(new_phone):
    phone = new_phone().sign_up()
    phone.log_out()
    ended = Session.objects.exclude(ended_at=None).get()
    assert (ended.user_id, ended.ended_by_id, ended.end_reason) == (phone.user_id, phone.user_id, EndReason.LOGOUT)
    assert ended.ended_ip == "127.0.0.1"
    assert ended.ended_request_id == phone.last.headers["x-request-id"]


def test_a_logout_leaves_the_users_other_phones_logged_in(new_phone):
    first = new_phone(device_token="first").sign_up()
    second = new_phone(device_token="second")
    second.log_in(first.username)
    first.log_out()
    assert second.me().status == 200
    assert pushes_of(second.user_id) == ["second"]


def test_a_phone_that_changes_hands_takes_its_pushes_along_and_keeps_them(new_phone):
    anna, ben = new_phone(device_token="phone").sign_up(), new_phone(device_token="phone").sign_up()
    assert pushes_of(anna.user_id) == []
    assert pushes_of(ben.user_id) == ["phone"]
    assert anna.log_out().status == 200
    assert pushes_of(ben.user_id) == ["phone"]
    assert ben.me().status == 200


@pytest.mark.only("zap")
def test_a_logged_out_refresh_token_is_blacklisted_in_simplejwts_tables_and_refused(new_phone):
    phone = new_phone().sign_up()
    assert phone.refresh().status == 200
    phone.log_out()
    assert phone.refresh().status == 401
    outstanding = OutstandingToken.objects.get()
    assert outstanding.token == ""
    assert BlacklistedToken.objects.filter(token=outstanding).exists()


# --- the session changes between its lookup and the logout -----------------------------------------


def authenticated(phone):
    """Return the phone's session as a request loads it, before anything else happens to it."""
    return get_live_session(AnyAccessToken.read(phone.access_token))


@pytest.mark.only("zap")
def test_a_logout_that_a_rotation_came_before_takes_the_new_refresh_token(new_phone, settings):
    settings.ROTATE_REFRESH_TOKENS = True
    phone = new_phone().sign_up()
    session = authenticated(phone)
    phone.refresh_token = phone.refresh().json["data"]["refreshToken"]
    log_out(session)
    assert BlacklistedToken.objects.count() == 2
    assert phone.refresh().status == 401


@pytest.mark.only("zap")
@pytest.mark.django_db(transaction=True)
def test_a_logout_that_waits_for_a_rotation_takes_the_new_refresh_token(new_phone, settings):
    settings.ROTATE_REFRESH_TOKENS = True
    phone = new_phone().sign_up()
    session = authenticated(phone)
    with other_threads() as start:
        with transaction.atomic():
            grant = refresh(phone.refresh_token, audience=settings.ZAP_APP, origin=Origin())
            leaving = start(log_out, session)
            wait_until(is_waited_for)
        leaving.result(20)
    jti = RefreshToken.read(grant.refresh_token)["jti"]
    assert BlacklistedToken.objects.filter(token__jti=jti).exists()


@pytest.mark.only("buddy")
def test_a_logout_that_a_new_push_address_came_before_takes_that_one(new_phone):
    phone = new_phone(device_token="old").sign_up()
    session = authenticated(phone)
    phone.call("PATCH", "/devices/current", {"pushToken": "new"}, token=phone.access_token)
    log_out_of_device(session, origin=Origin())
    assert pushes_of(phone.user_id) == []
    opened = Session.objects.latest("created_at")
    assert (opened.user_id, address_in(opened.device_token)) == (None, "new")


@pytest.mark.only("zap")
def test_a_logout_that_comes_second_leaves_everything_as_it_is(new_phone):
    phone = new_phone(device_token="phone").sign_up()
    session = authenticated(phone)
    phone.log_out()
    # The same user logs in again on the same phone.
    assert phone.log_in(phone.username).status == 200
    before = Session.objects.get(pk=session.pk)
    with pytest.raises(SessionEnded):
        log_out(session)
    with pytest.raises(SessionEnded):
        log_out(session, device_token="phone")
    assert Session.objects.get(pk=session.pk).ended_at == before.ended_at
    assert pushes_of(phone.user_id) == ["phone"]
    assert phone.me().status == 200


@pytest.mark.only("buddy")
def test_a_logout_on_a_device_that_comes_second_opens_nothing(new_phone):
    phone = new_phone().sign_up()
    session = authenticated(phone)
    phone.log_out()
    count = Session.objects.count()
    with pytest.raises(SessionEnded):
        log_out_of_device(session, origin=Origin())
    assert Session.objects.count() == count
