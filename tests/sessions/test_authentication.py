"""When a token is accepted: each rule separately, at its boundary. Also the number of statements."""

from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from sessions.models import Refusal, Session
from sessions.policy import LAST_SEEN_EVERY
from sessions.tokens.jwt import UserAccessToken

SECOND = timedelta(seconds=1)


def only_session(phone):
    return Session.objects.select_related("app", "user").get(user_id=phone.user_id)


def test_an_authenticated_request_costs_one_query(new_phone, django_assert_num_queries):
    phone = new_phone().sign_up()
    with django_assert_num_queries(1):
        assert phone.me().status == 200


@pytest.mark.django_db(transaction=True)
def test_a_logout_costs_two_queries(new_phone, django_assert_num_queries):
    phone = new_phone(device_token="phone").sign_up()
    # Authenticate, then end. Buddy also opens an app-level session.
    with django_assert_num_queries(2):
        assert phone.log_out().status == 200


@pytest.mark.django_db(transaction=True)
@pytest.mark.only("zap")
@pytest.mark.parametrize("rotation", [False, True], ids=["", "rotating"])
def test_a_refresh_costs_two_queries(new_phone, settings, rotation, django_assert_num_queries):
    settings.ROTATE_REFRESH_TOKENS = rotation
    phone = new_phone().sign_up()
    # Look up, then compare and set.
    with django_assert_num_queries(2):
        assert phone.refresh().status == 200


def test_a_token_is_good_until_the_second_of_its_exp(new_phone, settings):
    settings.SESSION_IDLE_TIMEOUT = timedelta(0)
    with time_machine.travel("2026-03-01T12:00:00Z", tick=False) as clock:
        phone = new_phone().sign_up()
        expires_at = UserAccessToken.read(phone.access_token).expires_at
        clock.move_to(expires_at - SECOND)
        assert phone.me().status == 200
        clock.move_to(expires_at)
        assert phone.me().status == 401


def cut_off(field, offset):
    def change(session):
        owner = getattr(session, field)
        owner.sessions_valid_after = session.created_at + offset
        owner.save()

    return change


def set_on(field, **values):
    def change(session):
        owner = getattr(session, field) if field else session
        for name, value in values.items():
            setattr(owner, name, value)
        owner.save()

    return change


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        (cut_off("app", timedelta(0)), Refusal.APP_CUT_OFF),
        (cut_off("user", timedelta(0)), Refusal.USER_CUT_OFF),
        (set_on("app", is_active=False), Refusal.APP_INACTIVE),
        (set_on("user", is_active=False), Refusal.USER_INACTIVE),
        (set_on("user", deleted_at=timezone.now()), Refusal.USER_INACTIVE),
        (set_on("", ended_at=timezone.now(), end_reason="staff"), Refusal.ENDED),
        (set_on("", expires_at=timezone.now()), Refusal.EXPIRED),
    ],
    ids=lambda value: value.value if isinstance(value, Refusal) else "",
)
def test_one_row_write_refuses_the_next_request(new_phone, change, refusal):
    phone = new_phone().sign_up()
    change(only_session(phone))
    assert only_session(phone).refusal(timezone.now()) == refusal
    assert phone.me().status == 401


@pytest.mark.parametrize("field", ["app", "user"])
def test_a_session_opened_after_the_cut_off_is_not_cut_off(new_phone, field):
    phone = new_phone().sign_up()
    cut_off(field, -timedelta(microseconds=1))(only_session(phone))
    assert phone.me().status == 200


def test_last_seen_is_written_once_in_five_minutes(new_phone, django_assert_num_queries):
    with time_machine.travel("2026-03-01T12:00:00Z", tick=False) as clock:
        phone = new_phone().sign_up()
        opened_at = only_session(phone).last_seen_at
        clock.shift(LAST_SEEN_EVERY - SECOND)
        phone.me()
        assert only_session(phone).last_seen_at == opened_at
        clock.shift(SECOND)
        with django_assert_num_queries(2):
            phone.me()
        assert only_session(phone).last_seen_at == opened_at + LAST_SEEN_EVERY
        with django_assert_num_queries(1):
            phone.me()


def test_the_scheme_is_read_in_any_case(new_phone):
    phone = new_phone().sign_up()
    path = {"zap": "/v1/users/token", "buddy": "/users/me"}[phone.dialect]
    for scheme in ("Bearer", "bearer", "BEARER"):
        assert phone.send("GET", path, headers={"Authorization": f"{scheme} {phone.access_token}"}).status == 200
