"""The record of endings: its contents, and that an incomplete record is refused."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.db.models import F

from sessions.liveness import CUT_OFF
from sessions.logout import end_sessions
from sessions.models import EndReason, Session
from sessions.restore.ended_file import EARLIER, RecordError, export_record, read_record
from sessions.restore.guard import note_pruned
from tests.sessions.population import new_session
from users.clock import database_now
from users.models import App, User

HOUR = timedelta(hours=1)
T = datetime(2026, 3, 1, 12, tzinfo=UTC)


def exported(**span):
    return [json.dumps(line) for line in export_record(**{"since": database_now() - HOUR} | span)]


def end(session, **fields):
    end_sessions(Session.objects.filter(pk=session.pk), actor=None, reason=EndReason.LOGOUT)
    Session.objects.filter(pk=session.pk).update(**fields)
    return session.pk


@pytest.fixture
def ann(db):
    return User.objects.create_user("ann")


# --- writing ------------------------------------------------------------------------------------


def test_sessions_that_ended_since_then_are_in_it_and_no_others(ann):
    now = database_now()
    ended = end(new_session(user=ann))
    end(new_session(user=ann), ended_at=now - 2 * HOUR)
    new_session(user=ann)
    (line,) = [json.loads(line) for line in exported()[1:-1]]
    assert (line["kind"], line["id"], line["reason"]) == ("session", str(ended), "logout")
    assert datetime.fromisoformat(line["at"]) == Session.objects.get(pk=ended).ended_at
    assert read_record(exported()).sessions == {ended}


def test_it_starts_a_little_earlier_so_that_an_ending_under_way_at_an_export_is_in_the_next(ann):
    since = database_now() - HOUR
    inside = end(new_session(user=ann), ended_at=since - EARLIER)
    end(new_session(user=ann), ended_at=since - EARLIER - timedelta(seconds=1))
    assert read_record(exported(since=since)).sessions == {inside}


def test_until_leaves_later_ones_out_and_the_record_says_so(ann):
    since = database_now() - HOUR
    first = end(new_session(user=ann), ended_at=since)
    end(new_session(user=ann))
    found = read_record(exported(since=since, until=since + HOUR / 2))
    assert found.sessions == {first}
    assert found.exported_at == since + HOUR / 2


ORDERS = {
    "an app's epoch": (App, {"session_epoch": F("session_epoch") + 1}, "app_cut_off"),
    "a user's epoch": (User, {"session_epoch": F("session_epoch") + 1}, "user_cut_off"),
    "an app's cut-off": (App, {"sessions_valid_after": database_now}, "app_cut_off"),
    "a user's cut-off": (User, {"sessions_valid_after": database_now}, "user_cut_off"),
}


@pytest.mark.parametrize(("model", "order", "reason"), ORDERS.values(), ids=ORDERS)
def test_sessions_that_an_order_refuses_are_in_it_before_they_are_swept(ann, model, order, reason):
    session = new_session(user=ann)
    model.objects.update(**{name: value() if callable(value) else value for name, value in order.items()})
    now = database_now()
    refused = Session.objects.select_related("app", "user").get(pk=session.pk)
    assert refused.refusal(now) == reason
    assert [refusal.value for refusal, rule in CUT_OFF.items() if Session.objects.filter(rule)] == [reason]
    new_session(user=User.objects.create_user("ben"), app=App.objects.create(name="Another"))
    new_session()
    (line,) = [json.loads(line) for line in exported()[1:-1]]
    assert (line["id"], line["reason"], line["at"]) == (str(session.pk), reason, None)


def test_users_deleted_disabled_and_with_another_password_and_apps_switched_off_are_in_it(db):
    users = {name: User.objects.create_user(name) for name in ("deleted", "disabled", "changed", "stays")}
    now = database_now()
    User.objects.filter(username="deleted").update(deleted_at=now)
    User.objects.filter(username="disabled").update(is_active=False)
    User.objects.filter(username="changed").update(password="!")
    app = App.objects.create(name="Off", is_active=False)
    found = read_record(exported())
    assert found.deleted == {users["deleted"].pk: now}
    assert found.disabled == {users["disabled"].pk}
    assert found.passwords == {users["changed"].pk: User.objects.get(username="changed").password_changed_at}
    assert found.apps_disabled == {app.pk}


def test_it_is_an_error_to_ask_for_endings_that_have_been_pruned(db):
    since = database_now() - HOUR
    note_pruned(since - EARLIER)
    assert exported(since=since)
    note_pruned(since)
    with pytest.raises(RecordError, match="have been deleted"):
        exported(since=since)


def test_it_says_no_later_time_than_that_up_to_which_it_is_complete(db):
    before = database_now()
    header = json.loads(exported()[0])
    assert before <= datetime.fromisoformat(header["exportedAt"]) <= database_now()


# --- reading ------------------------------------------------------------------------------------

ID = "0192a3b4-c5d6-7e8f-9a0b-0000000000%02d"
USER = "0123456789abcdef012345%02d"


def an_export(since, exported_at, *lines, until=None):
    """Make a record as text. Times are in hours after T."""
    header = {"record": "zapauth.ended", "version": 1, "since": at(since), "exportedAt": at(exported_at)}
    header["until"] = None if until is None else at(until)
    return [json.dumps(line) for line in (header, *lines, {"record": "zapauth.ended", "count": len(lines)})]


def at(hours):
    return (T + hours * HOUR).isoformat()


def session(number):
    return {"kind": "session", "id": ID % number, "at": at(0), "reason": "logout"}


def disabled(number):
    return {"kind": "user_disabled", "id": USER % number, "at": None}


WHOLE = an_export(0, 2, session(1), session(2), disabled(3))


def test_a_record_is_refused_wherever_it_is_cut_off():
    read_record(WHOLE)
    text = "\n".join(WHOLE)
    for length in range(len(text)):
        with pytest.raises(RecordError):
            read_record(text[:length].splitlines())


def test_a_record_is_refused_when_any_line_is_missing_or_there_twice():
    for number in range(len(WHOLE)):
        with pytest.raises(RecordError):
            read_record(WHOLE[:number] + WHOLE[number + 1 :])
        with pytest.raises(RecordError):
            read_record(WHOLE[: number + 1] + WHOLE[number:])


WRONG = {
    "nothing": ([], "empty"),
    "no JSON": (["hello"], "line 1: it is not a JSON object"),
    "a list": (["[]"], "line 1: it is not a JSON object"),
    "another format": (['{"record": "something"}'], "not the header"),
    "a later version": (['{"record": "zapauth.ended", "version": 2}'], "not the header"),
    "no since": (['{"record": "zapauth.ended", "version": 1}'], "is not a time"),
    "a time without a zone": ([WHOLE[0].replace("+00:00", "")], "is not a time"),
    "an unknown kind": (an_export(0, 1, {"kind": "cat", "id": ID % 1}), "does not know"),
    "a session that is none": (an_export(0, 1, {"kind": "session", "id": "1"}), "does not know"),
    "a session by number": (an_export(0, 1, {"kind": "session", "id": 1}), "does not know"),
    "a user that is none": (an_export(0, 1, {"kind": "user_disabled", "id": "ann"}), "does not know"),
    "no id": (an_export(0, 1, {"kind": "user_disabled"}), "does not know"),
    "a deletion without a time": (an_export(0, 1, disabled(1) | {"kind": "user_deleted"}), "is not a time"),
}


@pytest.mark.parametrize(("lines", "said"), WRONG.values(), ids=WRONG)
def test_what_is_no_record_is_refused_in_words(lines, said):
    with pytest.raises(RecordError, match=said):
        read_record(lines)


def test_exports_that_follow_one_another_are_one_record_in_any_order():
    first, second, third = an_export(0, 2, session(1)), an_export(1, 3, session(2)), an_export(3, 4, session(3))
    found = read_record([*third, "", *first, *second])
    assert len(found.sessions) == 3
    assert (found.since, found.exported_at) == (T, T + 4 * HOUR)


def test_a_gap_between_two_exports_is_refused():
    with pytest.raises(RecordError, match=r"2026-03-01 14:00:00.* to 2026-03-01 15:00:00.* is missing"):
        read_record([*an_export(0, 2), *an_export(3, 4)])
    with pytest.raises(RecordError, match="is missing"):
        read_record([*an_export(0, 3, until=1), *an_export(2, 4)])


def test_who_is_disabled_is_taken_from_the_newest_export():
    found = read_record([*an_export(1, 3, disabled(2)), *an_export(0, 2, disabled(1), disabled(2))])
    assert found.disabled == {USER % 2}
