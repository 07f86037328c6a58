"""Which session keeps a push address if a log-in coincides with the end of another session. Locks force the order."""

import pytest
from django.db import transaction

from sessions.authentication import get_live_session, get_live_session_by_id
from sessions.bulk.runs import start_run, sweep_run
from sessions.devices import change_device, log_out_of_device, open_device_session
from sessions.errors import SessionEnded
from sessions.login.on_device import log_in_on_device
from sessions.login.with_refresh import log_in_with_refresh
from sessions.logout import end_sessions, end_sessions_as_staff, log_out, log_out_user
from sessions.models import BulkRun, EndReason, Session
from sessions.selection.selection import Selection
from sessions.sessions_of_user import Scope, log_out_scope
from sessions.tokens.jwt import AnyAccessToken
from tests.locks import count_waiting, is_waited_for
from tests.phones import PASSWORD, BuddyPhone, InProcess, ZapPhone, pushes_of
from tests.sessions.population import new_session
from tests.threads import other_threads
from tests.waiting import wait_until
from users.clients import create_app, get_zap_app
from users.models import DeviceToken, User
from users.origin import Origin

PHONE = "phone"
HERE = Origin(ip="192.0.2.1")


def authenticated(phone, token=None):
    return get_live_session(AnyAccessToken.read(token or phone.access_token))


def log_in(user, device_token=PHONE):
    """Log in as a ZAP phone does, up to the commit. Returns the opened session."""
    log_in_with_refresh(user, device_token=device_token, origin=HERE)
    return get_live_session_by_id(Session.objects.filter(user=user).latest("created_at").pk)


def is_open(session):
    return Session.objects.get(pk=session.pk).ended_at is None


@pytest.fixture
def anna(transactional_db):
    """Anna, who is logged in with ZAP on a phone. The phone's app has lost that session and logs in again."""
    get_zap_app()
    return ZapPhone(InProcess(), device_token=PHONE).sign_up()


# --- the end of an older session ------------------------------------------------------------------


def by_staff(session):
    staff = User.objects.create_superuser("boss", PASSWORD)
    facts = {"current": new_session(user=staff), "password": PASSWORD, "origin": HERE}
    log_out_user(session.user_id, actor=staff, device_token=PHONE, **facts)


def by_itself(session):
    end_sessions(Session.objects.filter(pk=session.pk), actor=None, reason=EndReason.IDLE)


ENDS = {
    "a logout": log_out,
    "a logout that names the address": lambda session: log_out(session, device_token=PHONE),
    "staff who end the session": lambda session: end_sessions_as_staff(
        Session.objects.filter(pk=session.pk), of=session.user, actor=User.objects.create_superuser("boss")
    ),
    "staff who name the address": by_staff,
    "everything": lambda session: log_out_scope(
        session.user_id, Scope.ALL, current=session, actor=session.user, password=PASSWORD, origin=HERE
    ),
    "idleness": by_itself,
}
each_end = pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)


@each_end
def test_a_log_in_that_is_under_way_while_an_older_session_ends_keeps_its_pushes(anna, end):
    old = authenticated(anna)
    with other_threads() as start:
        with transaction.atomic():
            new = log_in(old.user)
            ending = start(end, old)
            wait_until(is_waited_for)
        ending.result(20)
    assert (is_open(old), is_open(new)) == (False, True)
    assert pushes_of(anna.user_id) == [PHONE]


@each_end
def test_a_log_in_that_waits_for_the_end_of_an_older_session_gets_the_pushes(anna, end):
    old = authenticated(anna)
    with other_threads() as start:
        with transaction.atomic():
            end(old)
            logging_in = start(log_in, old.user)
            wait_until(is_waited_for)
        assert is_open(logging_in.result(20))
    assert pushes_of(anna.user_id) == [PHONE]


@each_end
def test_without_a_newer_log_in_the_pushes_stop(anna, end):
    end(authenticated(anna))
    assert pushes_of(anna.user_id) == []


def test_the_end_of_an_older_session_leaves_the_pushes_to_the_newer_one_and_its_end_takes_them(anna):
    old = authenticated(anna)
    new = log_in(old.user)
    log_out(old)
    assert pushes_of(anna.user_id) == [PHONE]
    log_out(new)
    assert pushes_of(anna.user_id) == []


def test_a_newer_session_that_is_logged_out_takes_the_pushes_from_a_forgotten_one(anna):
    old = authenticated(anna)
    log_out(log_in(old.user))
    assert is_open(old)
    assert pushes_of(anna.user_id) == []


def test_a_phone_that_logs_in_again_during_the_sweep_after_everybody_out_keeps_its_pushes(anna):
    order = start_run(Selection(everyone=True), source=BulkRun.Source.COMMAND, note="", expected=1)
    assert anna.me().status == 401
    assert anna.log_in(anna.username).status == 200
    assert list(sweep_run(order)) == [1]
    assert anna.me().status == 200
    assert pushes_of(anna.user_id) == [PHONE]


@pytest.mark.parametrize("first", ["a logout", "a time-out"])
def test_two_sessions_that_end_at_once_leave_the_pushes_to_neither(anna, first):
    """A time-out leaves the address to another session with it, but not to one that is ending at the same time."""
    old = authenticated(anna)
    forgotten = log_in(old.user)
    acts = {"a logout": (log_out, old), "a time-out": (by_itself, forgotten)}
    (first_act, one), ((second_act, other),) = acts.pop(first), acts.values()
    with other_threads() as start:
        with transaction.atomic():
            first_act(one)
            second = start(second_act, other)
            wait_until(is_waited_for)
        second.result(20)
    assert (is_open(old), is_open(forgotten)) == (False, False)
    assert pushes_of(anna.user_id) == []


# --- a device's own address -----------------------------------------------------------------------


@pytest.fixture
def device(transactional_db):
    """Makes Buddy phones of one app, each with a logged-in user."""
    app = create_app("Buddy app")
    options = {"app_id": app.app.pk, "app_key": app.key}
    return lambda push: BuddyPhone(InProcess(), device_token=push, **options).sign_up()


def test_a_new_address_that_waits_for_a_log_in_stays_with_nobody_after_the_logout(device):
    phone = device("old")
    current = authenticated(phone)
    with other_threads() as start:
        with transaction.atomic():
            log_in_on_device(User.objects.get(pk=phone.user_id), current=current, origin=HERE)
            change = start(change_device, authenticated(phone), push_token="new")
            wait_until(is_waited_for)
            leaving = start(log_out_of_device, authenticated(phone), origin=HERE)
            wait_until(lambda: count_waiting() == 2)
        leaving.result(20)
        try:
            change.result(20)
        except SessionEnded:  # the logout came first
            assert not DeviceToken.objects.filter(digest=DeviceToken.digest_of("new")).exists()
    assert not is_open(current)
    assert pushes_of(phone.user_id) == []


def test_two_devices_exchange_their_addresses(device):
    one, other = device("a"), device("b")
    sessions = authenticated(one), authenticated(other)
    with other_threads() as start:
        with transaction.atomic():
            DeviceToken.objects.select_for_update(no_key=True).get(digest=DeviceToken.digest_of("b"))
            changes = [start(change_device, sessions[0], push_token="b")]
            wait_until(lambda: count_waiting() == 1)
            changes.append(start(change_device, sessions[1], push_token="a"))
            wait_until(lambda: count_waiting() == 2)
        for change in changes:
            change.result(20)
    assert (pushes_of(one.user_id), pushes_of(other.user_id)) == (["b"], ["a"])
    assert [one.me().status, other.me().status] == [200, 200]


def test_another_registration_of_a_device_leaves_its_newer_session_the_pushes(device):
    """A device can have two addresses. The end of an older session does not remove the newer address."""
    phone = device("old")
    old = authenticated(phone)
    again = open_device_session(old.app, unique_id=phone.unique_id, push_token="new", origin=HERE)
    current = get_live_session(AnyAccessToken.read(again.access_token))
    log_in_on_device(old.user, current=current, origin=HERE)
    assert sorted(pushes_of(phone.user_id)) == ["new", "old"]
    log_out_of_device(authenticated(phone), origin=HERE)
    assert pushes_of(phone.user_id) == ["new"]


# --- the limit of sessions ------------------------------------------------------------------------


def test_a_log_in_over_the_limit_and_a_logout_of_the_oldest_session_get_along(anna, settings):
    settings.SESSIONS_PER_USER = 1
    old = authenticated(anna)
    with other_threads() as start:
        with transaction.atomic():
            DeviceToken.objects.select_for_update(no_key=True).get()
            logging_in = start(log_in, old.user)
            wait_until(lambda: count_waiting() == 1)
            leaving = start(log_out, old, device_token=PHONE)
            wait_until(lambda: count_waiting() == 2)
        new = logging_in.result(20)
        # The limit may have ended it already.
        assert isinstance(leaving.exception(20), SessionEnded | None)
    assert (is_open(old), is_open(new)) == (False, True)
    assert pushes_of(anna.user_id) == [PHONE]
