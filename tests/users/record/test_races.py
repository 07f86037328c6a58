"""Two requests at once leave one entry where one thing has happened."""

import pytest
from django.db import transaction

from sessions.models import Session
from sessions.refresh import refresh
from tests.phones import InProcess, ZapPhone
from tests.threads import other_threads
from users.callers import Caller
from users.credentials import get_user_by_username
from users.errors import TooManyAttempts
from users.models import SecurityEvent, User
from users.origin import Origin
from users.record.events import Event
from users.record.writing import record

pytestmark = pytest.mark.django_db(transaction=True)


def test_many_attempts_at_once_are_one_lock_out(settings):
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"login": (2, 600)}
    User.objects.create_user("ann", "correct-horse-1")
    with other_threads(6) as start:
        tries = [start(get_user_by_username, "ann", "wrong-1-word", caller=Caller(ip="192.0.2.1")) for _ in range(6)]
    errors = [attempt.exception() for attempt in tries]
    assert sum(isinstance(error, TooManyAttempts) for error in errors) == 4
    assert SecurityEvent.objects.filter(event=Event.LOCKED_OUT).count() == 1


def test_a_refresh_token_that_several_clients_use_again_at_once_is_one_entry(settings):
    settings.ROTATE_REFRESH_TOKENS = True
    phone = ZapPhone(InProcess()).sign_up()
    used = phone.refresh_token
    assert phone.refresh().status == 200
    thief = Origin(user_agent="thief")
    with other_threads() as start:
        tries = [start(refresh, used, audience=settings.ZAP_APP, origin=thief) for _ in range(4)]
    assert all(attempt.exception() for attempt in tries)
    assert SecurityEvent.objects.filter(event=Event.REFRESH_REUSED).count() == 1
    assert Session.objects.get().ended_at


def test_an_entry_waits_for_no_change_of_the_user_that_it_names():
    ann = User.objects.create_user("ann")
    with transaction.atomic(), other_threads(1) as start:
        User.objects.select_for_update().get(pk=ann.pk)
        start(record, Event.LOGIN_REFUSED, user=ann).result(timeout=5)
    assert SecurityEvent.objects.count() == 1
