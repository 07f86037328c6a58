"""What services are told, and where they go on after they were away."""

import asyncio
import errno
import os
import re
from datetime import timedelta
from itertools import pairwise
from threading import Event
from unittest import mock

import pytest
from django.db import connection, transaction
from django.utils import timezone

from sessions.bulk import app_orders, orders, runs
from sessions.errors import SessionEnded
from sessions.logout import end_sessions, log_out
from sessions.models import BulkRun, EndReason, Notice, Session
from sessions.notices.place import Place, Snapshot
from sessions.notices.reading import PAGE, Reader, here, read_after
from sessions.notices.writing import begin_era, forget_old_notices
from sessions.selection.selection import Selection
from sessions.sql.live_session import find_session
from sessions.timeouts import end_timed_out
from tests.environment import ROOT
from tests.listeners import new_service
from tests.phones import new_name
from tests.sessions.population import new_session
from tests.threads import other_threads
from users.clients import create_app, event_mark, event_marks, get_service, rotate_key, set_access
from users.models import Access, App, User
from users.origin import NOWHERE
from zapauth.events import words
from zapauth.events.hub import Hub
from zapauth.events.pipe import Pipe
from zapauth.events.stream import MOST_AT_ONCE, Asked, Stream


@pytest.fixture
def service(db):
    return new_service()


def opened(**fields):
    """Make a live session of a new user."""
    user = User.objects.create(username=new_name())
    return new_session(user=user, **fields)


def told():
    """Return the facts of each notice: app, reason, sessions, users."""
    rows = Notice.objects.order_by("id")
    return [(row.app_id, row.reason, row.session_ids, row.user_ids) for row in rows]


def everybody(**by):
    return runs.start_run(Selection(everyone=True), source=BulkRun.Source.COMMAND, note="", expected=10**6, **by)


def test_the_documentation_has_each_reason():
    text = (ROOT / "docs" / "events.md").read_text()
    listed = re.search(r"- `reason` is one of (.*?)\. More", text, re.DOTALL)[1]
    assert sorted(re.findall(r"`(\w+)`", listed)) == sorted(EndReason.values)


# --- what is written --------------------------------------------------------------------------


def test_without_an_app_that_is_told_nothing_is_written(db):
    session, other = new_session(), new_session()
    log_out(find_session(session.pk))
    end_sessions(Session.objects.filter(pk=other.pk), actor=None, reason=EndReason.STAFF)
    list(runs.sweep_run(everybody()))
    assert not Notice.objects.exists()


@pytest.mark.parametrize("change", [{"event_access": Access.NONE}, {"is_active": False}])
def test_an_app_that_lost_its_access_or_is_switched_off_does_not_count(service, change):
    App.objects.filter(pk=service.id).update(**change)
    log_out(find_session(new_session().pk))
    assert not Notice.objects.exists()


def test_a_logout_is_told_with_session_and_user(service):
    session = opened()
    log_out(find_session(session.pk))
    assert told() == [(session.app_id, "logout", [session.pk], [session.user_id])]


def test_a_logout_that_fails_tells_nothing(service):
    session = find_session(new_session().pk)
    log_out(session)
    with pytest.raises(SessionEnded):
        log_out(session)
    assert Notice.objects.count() == 1


def test_a_statement_is_one_notice_for_each_app(service):
    other = create_app("Other").app
    mine = {new_session().pk for _ in range(3)}
    theirs = {new_session(app=other).pk for _ in range(2)}
    end_sessions(Session.objects.all(), actor=None, reason=EndReason.STAFF)
    found = {app: (reason, set(sessions), len(users)) for app, reason, sessions, users in told()}
    assert found.pop(other.pk) == ("staff", theirs, 2)
    assert list(found.values()) == [("staff", mine, 3)]


def test_very_many_sessions_are_told_in_several_notices(service, monkeypatch):
    sessions = [new_session() for _ in range(501)]
    end_sessions(Session.objects.all(), actor=None, reason=EndReason.STAFF)
    assert sorted(len(ids) for _, _, ids, _ in told()) == [1, 500]
    assert {pk for _, _, ids, _ in told() for pk in ids} == {session.pk for session in sessions}


def test_time_outs_are_told(service):
    late = new_session(expires_at=timezone.now() - timedelta(minutes=1))
    end_timed_out()
    assert told() == [(late.app_id, "expired", [late.pk], [late.user_id])]


def test_everybody_out_is_one_notice_for_each_app_and_its_sweep_none(service):
    for _ in range(5):
        new_session()
    apps = set(App.objects.values_list("pk", flat=True))
    run = everybody()
    assert {(app, reason, sessions, users) for app, reason, sessions, users in told()} == {
        (app, "operator", None, None) for app in apps
    }
    before = told()
    list(runs.sweep_run(run))
    assert not Session.objects.filter(ended_at=None).exists()
    assert told() == before


def test_a_cut_off_of_users_names_only_the_users_of_each_app(service):
    other = create_app("Other").app
    mine, theirs = opened(), opened(app=other)
    selection = Selection(users=(mine.user_id, theirs.user_id))
    run = runs.start_run(selection, source=BulkRun.Source.ADMIN, note="", expected=2)
    list(runs.sweep_run(run))
    assert set(Session.objects.values_list("end_reason", flat=True)) == {"staff"}
    assert sorted((app, users) for app, _, _, users in told()) == sorted(
        [(mine.app_id, [mine.user_id]), (other.pk, [theirs.user_id])]
    )


def test_a_run_without_a_cut_off_tells_the_sessions(service):
    session, spared = new_session(platform="iOS"), new_session(platform="Android")
    run = runs.start_run(Selection(platforms=("ios",)), source=BulkRun.Source.COMMAND, note="", expected=1)
    list(runs.sweep_run(run))
    assert [sessions for _, _, sessions, _ in told()] == [[session.pk]]
    assert Session.objects.get(ended_at=None) == spared


def test_an_app_that_is_switched_off_and_a_disabled_user_are_one_notice_each(service):
    staff = User.objects.create_superuser("olga")
    session, app = opened(), create_app("Other").app
    in_app = new_session(app=app)
    app_orders.switch_off(app, actor=staff, origin=NOWHERE, note="", expected=1)
    orders.disable_user(session.user_id, actor=staff, origin=NOWHERE, note="")
    assert told() == [
        (app.pk, "app_switched_off", None, None),
        (session.app_id, "user_disabled", None, [session.user_id]),
    ]
    assert not Session.objects.filter(pk__in=[session.pk, in_app.pk], ended_at=None).exists()


# --- places in the stream -----------------------------------------------------------------------


def sessions_after(place):
    """Return the sessions of the notices after that place, and the place after them."""
    found = []
    while True:
        page = read_after(place)
        assert place.is_in(page.snapshot)
        found += [pk for each in page.notices for pk in each.session_ids]
        place = page.place
        if page.is_last:
            return found, place


def test_a_place_is_read_from_as_it_was_written(transactional_db):
    new_service()
    place, sessions = here(), [new_session() for _ in range(3)]
    for session in sessions:
        log_out(find_session(session.pk))
    assert sessions_after(Place.parse(str(place)))[0] == [session.pk for session in sessions]
    after = sessions_after(place)[1]
    assert sessions_after(Place.parse(str(after)))[0] == []


def test_a_transaction_that_commits_late_is_neither_skipped_nor_told_twice(transactional_db):
    """It wrote its notice first. Others that began later have committed and been read before."""
    new_service()
    early, late = new_session(), new_session()
    start, written, may_commit = here(), Event(), Event()

    def log_out_slowly():
        with transaction.atomic():
            log_out(find_session(late.pk))
            written.set()
            assert may_commit.wait(30)

    with other_threads(1) as in_thread:
        slow = in_thread(log_out_slowly)
        assert written.wait(30)
        log_out(find_session(early.pk))
        found, middle = sessions_after(start)
        assert found == [early.pk]
        assert sessions_after(middle)[0] == []
        may_commit.set()
        slow.result(30)
    for place in (middle, Place.parse(str(middle))):
        assert sessions_after(place)[0] == [late.pk]
    assert sorted(sessions_after(start)[0]) == sorted([early.pk, late.pk])


def test_pages_that_are_full_lose_nothing(transactional_db, monkeypatch):
    new_service()
    start, count = here(), PAGE + 20
    with connection.cursor() as cursor:
        # Each in its own transaction, except for thirty that share one across the end of a page.
        for number in range(count):
            if PAGE - 15 < number <= PAGE + 15:
                continue
            cursor.execute("INSERT INTO user_sessions_notice (at, app_id, reason) VALUES (now(), %s, 'x')", [number])
        cursor.execute(
            "INSERT INTO user_sessions_notice (at, app_id, reason) SELECT now(), n, 'x' FROM generate_series(%s, %s) n",
            [PAGE - 14, PAGE + 15],
        )
    place, found = start, []
    while True:
        page = read_after(place)
        found += [int(each.app_id) for each in page.notices]
        place = page.place
        if page.is_last:
            break
    assert sorted(found) == list(range(count))


def test_a_reader_reads_the_same(transactional_db):
    new_service()
    place, session = here(), new_session()
    log_out(find_session(session.pk))
    reader = Reader()
    assert reader.read_after(place) == read_after(place)
    reader.hang_up()


@pytest.mark.parametrize("text", ["", "1", "0123456789ab-", "0123456789AB-1", "0123456789ab-1-", "0123456789ab-1\n"])
def test_a_text_that_no_server_wrote_is_no_place(text):
    assert Place.parse(text) is None


def test_a_place_of_before_a_restored_backup_is_unknown(transactional_db):
    place = here()
    begin_era()
    assert not place.is_in(read_after(place).snapshot)


def test_a_place_of_the_future_is_unknown(transactional_db):
    now = here()
    assert not Place(now.era, 10**15).is_in(read_after(now).snapshot)


def test_a_place_from_which_notices_have_been_deleted_is_unknown(transactional_db, settings):
    new_service()
    first = here()
    log_out(find_session(new_session().pk))
    second = here()
    log_out(find_session(new_session().pk))
    third = here()
    Notice.objects.filter(xid__lte=second.xid).update(at=timezone.now() - settings.EVENT_RETENTION)
    forget_old_notices()
    assert Notice.objects.count() == 1
    snapshot = read_after(third).snapshot
    assert [place.is_in(snapshot) for place in (first, second, third)] == [False, True, True]
    assert here().is_in(snapshot)


def test_a_place_with_a_transaction_under_way_that_was_forgotten_is_unknown():
    snapshot = Snapshot("era", horizon=10, xmax=100, under_way=frozenset())
    assert Place("era", 20, frozenset({11})).is_in(snapshot)
    assert not Place("era", 20, frozenset({10})).is_in(snapshot)


def test_a_text_with_very_many_transactions_goes_back_before_them():
    place = Place("0" * 12, 500, frozenset(range(300, 400)))
    again = Place.parse(str(place))
    assert again == Place("0" * 12, 299)


# --- who is told what ---------------------------------------------------------------------------


class Written:
    """Takes the place of a pipe."""

    def __init__(self, _):
        self.text, self.untaken = "", 0

    def write(self, text):
        self.text += text


@pytest.fixture
def stream(monkeypatch):
    monkeypatch.setattr("zapauth.events.stream.Pipe", Written)
    return lambda reach, place, app_id="a" * 24: Stream(
        Asked(app_id, reach, "", place, is_lost=False), on_end=lambda *_: None
    )


def names(stream):
    return [line.removeprefix("event: ") for line in stream.pipe.text.splitlines() if line.startswith("event: ")]


def test_an_app_with_access_to_its_own_sessions_is_not_told_of_others(transactional_db, stream):
    app = new_service(access=Access.OWN).app
    place, own, other = here(), opened(app=app), opened()
    for session in (own, other):
        log_out(find_session(session.pk))
    page = read_after(place)
    told_own, told_all = stream(Access.OWN, place, app.pk), stream(Access.ALL, place)
    for each in (told_own, told_all):
        assert each.tell(page)
    assert str(other.pk) not in told_own.pipe.text
    assert other.user_id not in told_own.pipe.text
    assert (names(told_own), names(told_all)) == (["session-ended"], ["session-ended"] * 2)
    assert f"id: {page.place}" in told_own.pipe.text


def test_what_a_client_was_told_before_it_joined_is_not_told_again(transactional_db, stream):
    new_service()
    before = here()
    log_out(find_session(new_session().pk))
    page = read_after(before)
    joined = stream(Access.ALL, page.place)
    assert joined.tell(page)
    assert names(joined) == []


def test_a_client_that_leaves_too_much_is_not_told_more_and_keeps_its_place(transactional_db, stream):
    new_service()
    place = here()
    log_out(find_session(new_session().pk))
    slow = stream(Access.ALL, place)
    slow.pipe.untaken = MOST_AT_ONCE
    assert not slow.tell(read_after(place))
    assert (names(slow), slow.place) == ([], place)


@pytest.mark.parametrize(("count", "expected"), [(words.SINGLY, "session-ended"), (words.SINGLY + 1, "sessions-ended")])
def test_many_sessions_are_one_event(transactional_db, stream, count, expected):
    new_service()
    place = here()
    for _ in range(count):
        new_session()
    end_sessions(Session.objects.all(), actor=None, reason=EndReason.STAFF)
    page = read_after(place)
    told_all = stream(Access.ALL, place)
    assert told_all.tell(page)
    assert set(names(told_all)) == {expected}
    assert all(str(pk) in told_all.pipe.text for pk in Session.objects.values_list("pk", flat=True))


def test_a_change_of_key_or_access_changes_the_mark(db):
    service = new_service()
    marks = [event_mark(get_service(service.id, service.key))]
    assert event_marks([service.id]) == {service.id: marks[0]}
    rotate_key(service.app, overlap=timedelta(hours=1))
    marks += event_marks([service.id]).values()
    App.objects.filter(pk=service.id).update(previous_until=timezone.now() - timedelta(seconds=1))
    marks += event_marks([service.id]).values()
    set_access(service.app, {"event_access": Access.OWN})
    marks += event_marks([service.id]).values()
    assert len(marks) == 4
    assert all(one != other for one, other in pairwise(marks))
    set_access(service.app, {"event_access": Access.NONE})
    assert event_marks([service.id]) == {}


def test_a_stream_that_ends_before_it_is_opened_is_not_mixed_up_with_the_next_one():
    async def end_one_and_begin_another():
        first = Pipe(print)
        first.write("mine")
        first.end("its key has changed")
        other = Pipe(print)
        other.write("theirs")
        with open(first.path, "rb", buffering=0) as opened:
            return opened.read(100)

    assert asyncio.run(end_one_and_begin_another()) == b"mine"


def test_without_a_file_for_its_pipe_a_stream_is_refused_and_its_place_is_free_again(monkeypatch, settings):
    settings.EVENT_STREAMS, protocol = 1, mock.Mock()

    async def begin_twice():
        hub = Hub(asyncio.get_running_loop())
        asked = Asked(app_id="a", reach=Access.ALL, mark="", place=None, is_lost=False)
        for _ in range(2):
            hub.take_seat()
            hub.begin(asked, protocol, 200, [])
            await asyncio.sleep(0)

    monkeypatch.setattr(os, "pipe", mock.Mock(side_effect=OSError(errno.EMFILE, "Too many open files")))
    asyncio.run(begin_twice())
    assert [call.args[0] for call in protocol.response_empty.call_args_list] == [503, 503]


def take_access_away_and_give_it_back(app):
    set_access(app, {"event_access": Access.NONE})
    log_out(find_session(new_session().pk))
    set_access(app, {"event_access": Access.ALL})


def switch_off_and_on(app):
    App.objects.filter(pk=app.pk).update(is_active=False)
    log_out(find_session(new_session().pk))
    App.objects.filter(pk=app.pk).update(is_active=True)


@pytest.mark.parametrize("change", [take_access_away_and_give_it_back, switch_off_and_on])
def test_a_place_from_before_a_time_in_which_no_app_was_told_is_unknown(service, change):
    place = here()
    change(service.app)
    assert not place.is_in(read_after(place).snapshot)


@pytest.mark.parametrize("change", [take_access_away_and_give_it_back, switch_off_and_on])
def test_while_another_app_is_told_nothing_is_missed(service, change):
    new_service("Another")
    place = here()
    change(service.app)
    page = read_after(place)
    assert place.is_in(page.snapshot)
    assert [notice.reason for notice in page.notices] == ["logout"]
