"""`manage.py record`: what happened to an account."""

from datetime import timedelta

import pytest
from django.utils import timezone

from tests.commands.terminal import manage
from tests.phones import InProcess, ZapPhone
from users.models import SecurityEvent, User
from users.record.events import Event
from users.record.writing import record


@pytest.fixture
def ann(db):
    user = User.objects.create_user("ann", email="ann@example.org")
    record(Event.NAME_CHANGED, user=user, actor=user, changed={"name": {"from": "", "to": "Ann\x1b[31m"}})
    record(Event.LOGIN_REFUSED, user=user, reason="wrong_password")
    record(Event.GROUP_DELETED, name="Desk", operator="root@host")
    return user


def listed(arguments):
    return [(facts["event"], facts["userId"]) for facts in manage(f"record --json {arguments}").json]


def hours_ago(hours):
    return (timezone.now() - timedelta(hours=hours)).isoformat()


def test_the_entries_of_a_user_are_printed_newest_first(ann):
    assert listed("--user ann") == [(Event.LOGIN_REFUSED, ann.pk), (Event.NAME_CHANGED, ann.pk)]
    assert listed("--user ann@example.org") == listed(f"--user {ann.pk}") == listed("--user ann")


def test_without_a_user_everything_since_then_is_printed(ann):
    assert [event for event, _ in listed(f"--since {hours_ago(1)}")] == [
        Event.GROUP_DELETED,
        Event.LOGIN_REFUSED,
        Event.NAME_CHANGED,
    ]
    assert listed(f"--user ann --until {hours_ago(1)}") == []


def test_events_and_kinds_narrow_it(ann):
    assert listed("--user ann --event login_refused") == listed("--user ann --event logins")
    assert len(listed("--user ann --event logins --event name_changed")) == 2


def test_an_entry_in_json_has_all_facts(db):
    phone = ZapPhone(InProcess()).sign_up("ann")
    phone.call("POST", "/v1/login", {"identity": "ann", "password": "wrong-1-word"})
    (facts,) = manage("record --user ann --event login_refused --json").json
    entry = SecurityEvent.objects.get(event=Event.LOGIN_REFUSED)
    assert facts == {
        "id": entry.pk,
        "at": entry.at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "event": "login_refused",
        "outcome": "refused",
        "user": "ann",
        "userId": phone.user_id,
        "actor": None,
        "actorId": None,
        "operator": None,
        "session": None,
        "app": None,
        "ip": "127.0.0.1",
        "userAgent": entry.user_agent,
        "requestId": entry.request_id,
        "details": {"reason": "known_place"},
    }


def test_text_for_people_has_no_control_characters(ann):
    out = manage("record --user ann").out
    assert "ann: a log-in was refused: wrong password." in out
    assert "\x1b" not in out


def test_a_deleted_user_is_found_by_id(ann):
    User.objects.filter(pk=ann.pk).update(deleted_at=timezone.now())
    assert len(listed(f"--user {ann.pk}")) == 2
    assert manage("record --user ann").code == 2


@pytest.mark.parametrize(
    ("arguments", "told"),
    [("", "--user"), ("--user nobody", "There is no user"), ("--user ann --event x", "no event and no kind")],
)
def test_wrong_arguments_are_explained(ann, arguments, told):
    done = manage(f"record {arguments}")
    assert done.code == 2
    assert told in done.err
