"""A log-in takes few statements, and is right even if something else happens to the user or the device meanwhile."""

import pytest
from django.db import transaction

from sessions.authentication import get_live_session
from sessions.bulk.runs import start_run
from sessions.errors import SessionEnded
from sessions.login.on_device import log_in_on_device
from sessions.login.with_refresh import log_in_with_refresh
from sessions.logout import end_sessions
from sessions.models import BulkRun, EndReason, Refusal, Session
from sessions.selection.selection import Selection
from sessions.tokens.jwt import AnyAccessToken
from tests.locks import count_waiting, is_waited_for
from tests.phones import BuddyPhone, InProcess, pushes_of
from tests.threads import other_threads
from tests.waiting import wait_until
from users.clients import get_zap_app
from users.clock import database_now
from users.models import User
from users.origin import Origin

HERE = Origin(ip="192.0.2.1")


def registration_of(phone: BuddyPhone) -> Session:
    return get_live_session(AnyAccessToken.read(phone.app_token))


def open_sessions_of(user: User) -> list[Session]:
    return list(Session.objects.filter(user=user, ended_at=None))


@pytest.fixture
def buddy(transactional_db):
    """A phone with a push address. Its user has logged out."""
    phone = BuddyPhone(InProcess(), device_token="phone").sign_up()
    assert phone.log_out().status == 200
    return phone


@pytest.mark.django_db(transaction=True)
def test_a_log_in_costs_few_queries(new_phone, django_assert_num_queries):
    phone = new_phone(device_token="phone").sign_up()
    assert phone.log_out().status == 200
    # Find the user, count the attempt, log in. Buddy first checks the token.
    with django_assert_num_queries(3 if phone.dialect == "zap" else 4):
        assert phone.log_in(phone.username).status == 200
    assert pushes_of(phone.user_id) == ["phone"]


def test_of_two_log_ins_at_once_on_one_device_one_session_stays(buddy):
    user, registration = User.objects.get(), registration_of(buddy)
    with other_threads() as start:
        with transaction.atomic():
            User.objects.select_for_update().get(pk=user.pk)
            both = [start(log_in_on_device, user, current=registration, origin=HERE) for _ in range(2)]
            wait_until(lambda: count_waiting() == 2)
        tokens = [AnyAccessToken.read(each.result(20).access_token) for each in both]
    (stays,) = open_sessions_of(user)
    assert [token.session_id for token in tokens].count(stays.pk) == 1
    assert Session.objects.filter(user=user, end_reason=EndReason.SUPERSEDED).count() == 1
    assert pushes_of(user.pk) == ["phone"]


def test_a_log_in_from_a_registration_that_ends_meanwhile_is_refused(buddy):
    user, registration = User.objects.get(), registration_of(buddy)
    with other_threads() as start:
        with transaction.atomic():
            User.objects.select_for_update().get(pk=user.pk)
            logging_in = start(log_in_on_device, user, current=registration, origin=HERE)
            wait_until(is_waited_for)
            end_sessions(Session.objects.filter(pk=registration.pk), actor=None, reason=EndReason.STAFF)
        with pytest.raises(SessionEnded):
            logging_in.result(20)
    assert open_sessions_of(user) == []


def test_a_log_in_that_waits_while_its_app_is_cut_off_is_refused_like_the_others(buddy):
    get_zap_app()
    user = User.objects.get()
    with other_threads() as start:
        with transaction.atomic():
            User.objects.select_for_update().get(pk=user.pk)
            logging_in = start(log_in_with_refresh, user, device_token=None, origin=HERE)
            wait_until(is_waited_for)
            start(start_run, Selection(everyone=True), source=BulkRun.Source.COMMAND, note="", expected=99).result(20)
        logging_in.result(20)
    (session,) = open_sessions_of(user)
    assert session.refusal(database_now()) is Refusal.APP_CUT_OFF
