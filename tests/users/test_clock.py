"""The database's clock, which tests can set."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import time_machine
from django.db import connection, transaction
from django.utils import timezone

from users.clock import database_now


def test_the_database_tells_its_own_time_in_utc(db):
    before = timezone.now()
    told = database_now()
    assert before - timedelta(seconds=5) < told < timezone.now() + timedelta(seconds=5)
    assert told.utcoffset() == timedelta(0)


def test_it_is_the_time_of_the_question_and_not_of_the_transactions_beginning(db):
    with transaction.atomic(), connection.cursor() as cursor:
        first = database_now()
        cursor.execute("SELECT now()")
        assert database_now() > first > cursor.fetchone()[0]


def test_in_tests_it_follows_a_clock_that_stands_still_and_is_moved(db):
    with time_machine.travel("2026-03-01T12:00:00Z", tick=False) as clock:
        assert database_now() == datetime(2026, 3, 1, 12, tzinfo=UTC)
        clock.shift(90)
        assert database_now() == datetime(2026, 3, 1, 12, 1, 30, tzinfo=UTC)
    assert database_now() > datetime(2026, 3, 2, tzinfo=UTC)


def test_in_tests_a_rollback_does_not_bring_the_time_of_a_journey_back(transactional_db):
    today = datetime(2026, 3, 2, tzinfo=UTC)
    with suppress(ZeroDivisionError), transaction.atomic():
        with time_machine.travel("2026-03-01T12:00:00Z", tick=False):
            assert database_now() < today
        assert database_now() > today
        raise ZeroDivisionError
    assert database_now() > today
