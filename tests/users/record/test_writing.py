"""The record: entries can be added, and neither changed nor deleted."""

from datetime import timedelta

import pytest
from django.db import DatabaseError, connection, transaction

from users.models import App, SecurityEvent, User
from users.origin import Origin
from users.record.events import Event, Outcome
from users.record.masking import masked_email, masked_phone
from users.record.writing import record


@pytest.fixture
def anna(db):
    return User.objects.create_user("anna", email="anna@example.org")


@pytest.fixture
def entry(anna):
    record(Event.NAME_CHANGED, user=anna, actor=anna)
    return SecurityEvent.objects.get()


def test_an_entry_tells_who_what_and_from_where(anna):
    app = App.objects.create(name="app")
    origin = Origin(ip="192.0.2.1", user_agent="x" * 600, request_id="r1")
    details = {"reason": "wrong\0", "of": ["a\\u0000"]}
    record(Event.LOGIN_REFUSED, user=anna, app=app, origin=origin, operator="root@host", **details)
    entry = SecurityEvent.objects.get()
    assert (entry.event, entry.outcome) == (Event.LOGIN_REFUSED, Outcome.REFUSED)
    assert (entry.user, entry.actor, entry.app, entry.operator) == (anna, None, app, "root@host")
    assert (entry.ip, len(entry.user_agent), entry.request_id) == ("192.0.2.1", 512, "r1")
    assert entry.details == {"reason": "wrong", "of": ["a\\u0000"]}


@pytest.mark.parametrize(
    "change",
    [
        lambda _: SecurityEvent.objects.update(event="login"),
        lambda entry: entry.save(),
        lambda entry: entry.delete(),
        lambda _: SecurityEvent.objects.all().delete(),
        lambda _: _execute("UPDATE users_securityevent SET details = '{}' WHERE false"),
        lambda _: _execute("DELETE FROM users_securityevent"),
        lambda _: _execute("TRUNCATE users_securityevent"),
    ],
)
def test_an_entry_is_neither_changed_nor_deleted(entry, change):
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        change(entry)
    assert SecurityEvent.objects.get().event == Event.NAME_CHANGED


@pytest.mark.parametrize(("age", "stays"), [(timedelta(days=29), True), (timedelta(days=31), False)])
def test_prune_deletes_only_entries_that_are_older_than_30_days(anna, age, stays):
    record(Event.LOGIN, user=anna)
    _execute("INSERT INTO users_securityevent (at, event) VALUES (clock_timestamp() - %s, 'login')", age)
    _execute("SET LOCAL zapauth.prune = 'on'")
    old = SecurityEvent.objects.order_by("at")[:1].values("pk")
    try:
        with transaction.atomic():
            SecurityEvent.objects.filter(pk__in=old).delete()
    except DatabaseError:
        assert stays
    assert SecurityEvent.objects.count() == 1 + stays


def test_a_rollback_leaves_no_entry(anna):
    with transaction.atomic():
        record(Event.NAME_CHANGED, user=anna)
        transaction.set_rollback(True)
    assert not SecurityEvent.objects.exists()


def test_addresses_are_masked():
    assert masked_email("anna@example.org") == "a***@example.org"
    assert masked_email("secret") == "s***"
    assert masked_phone("+431234567") == "***67"
    assert masked_phone("+43") == "***"
    assert masked_email(None) == masked_phone(None) == ""


def _execute(sql, *values):
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
