"""Users with locked rows wait, but other users don't. The test holds the locks."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from django.db import connection, transaction

from tests.phones import Live
from tests.servers import running_server
from tests.waiting import wait_until
from users.clients import create_app
from users.models import User

# How many connections of a worker one user may use: two of five.
SHARE, WORKERS = 2, 2


def waiting_for_locks():
    """Count the connections that wait for a lock now."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted")
        return cursor.fetchone()[0]


def new_phone(kind, server, name):
    send, options = Live(server.base_url), {}
    if kind.dialect == "buddy":
        new = create_app(f"App of {name}")
        options = {"app_id": new.app.pk, "app_key": new.key}
    phone = kind(send, **options)
    phone.log_in_as = lambda: kind(send, **options).log_in(name)
    return phone.sign_up(name)


@contextmanager
def locked(*phones):
    """Lock the rows of these users during the block, on another connection."""
    with transaction.atomic():
        list(User.objects.filter(pk__in=[phone.user_id for phone in phones]).order_by("pk").select_for_update())
        yield


def is_told_to_come_back(answer, dialect):
    body = answer.json
    word = body["code"] if dialect == "zap" else body["error"]
    return (
        answer.status == 503
        and word == ("unavailable" if dialect == "zap" else "ServiceUnavailable")
        and body["success"] is False
        and int(answer.headers["retry-after"]) >= 1
    )


def test_twelve_log_ins_of_a_user_whose_row_is_locked_leave_connections_for_others(phone_kind, server):
    ann, ben = new_phone(phone_kind, server, "ann_lee"), new_phone(phone_kind, server, "ben_lee")
    with ThreadPoolExecutor(12) as threads:
        with locked(ann):
            log_ins = [threads.submit(ann.log_in_as) for _ in range(12)]
            wait_until(lambda: waiting_for_locks() >= SHARE)
            # Requests over the limit use no connection. They are answered while the lock is still held.
            wait_until(lambda: sum(each.done() for each in log_ins) >= 12 - WORKERS * SHARE)
            assert waiting_for_locks() <= WORKERS * SHARE
            assert [ben.me().status for _ in range(10)] == [200] * 10
        answers = [each.result() for each in log_ins]
    refused = [answer for answer in answers if answer.status != 200]
    assert all(is_told_to_come_back(answer, phone_kind.dialect) for answer in refused)
    assert ann.log_in_as().status == 200


@pytest.fixture(scope="module")
def small_server(django_db_setup, django_db_blocker):
    """A server with one worker and two connections. Requests that wait for a lock wait until the test releases it."""
    small = {
        "WORKERS": "1",
        "DATABASE_CONNECTIONS": "2",
        "REQUEST_LOCK_TIMEOUT": "60",
        "REQUEST_STATEMENT_TIMEOUT": "60",
    }
    with django_db_blocker.unblock(), running_server(**small) as started:
        yield started


def test_when_all_connections_are_stuck_others_are_told_to_come_back_and_then_it_goes_on(
    phone_kind, server, small_server
):
    ann, ben, cat = (new_phone(phone_kind, small_server, f"{name}_lee") for name in ("ann", "ben", "cat"))
    with ThreadPoolExecutor(2) as threads:
        with locked(ann, ben):
            log_ins = [threads.submit(phone.log_in_as) for phone in (ann, ben)]
            wait_until(lambda: waiting_for_locks() == 2)
            assert is_told_to_come_back(cat.me(), phone_kind.dialect)
            assert is_told_to_come_back(cat.log_in("cat_lee"), phone_kind.dialect)
            assert cat.send("GET", "/service/ping").status == 200
        assert [each.result().status for each in log_ins] == [200, 200]
    assert cat.me().status == 200


def test_forty_requests_at_once_that_get_on_are_all_answered_by_two_connections(phone_kind, server, small_server):
    phones = [new_phone(phone_kind, small_server, f"user_{number}") for number in range(4)]
    with ThreadPoolExecutor(40) as threads:
        answers = list(threads.map(lambda number: phones[number % 4].me(), range(40)))
    assert {answer.status for answer in answers} == {200}
