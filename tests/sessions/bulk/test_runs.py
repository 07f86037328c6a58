"""Bulk runs: the digest of a preview, the cut-off before the batches, complete batches, resumed runs."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID

import pytest
import time_machine
from django.db import connection, transaction
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken

from sessions.bulk import runs
from sessions.bulk.preview import Preview
from sessions.bulk.runs import SelectionGrown, find_interrupted, start_run, sweep_run
from sessions.login.with_refresh import log_in_with_refresh
from sessions.logout import end_sessions
from sessions.management.demo_data import make_sessions, make_users
from sessions.models import BulkRun, EndReason, Refusal, Session
from sessions.selection.errors import SelectionError
from sessions.selection.selection import Selection
from tests.bad_input.database import undone
from tests.locks import is_waited_for
from tests.phones import device_token
from tests.sessions.population import NOW, TICK, filters, is_meant, make_population, new_session
from tests.threads import other_threads
from tests.waiting import wait_until
from users.clients import get_zap_app
from users.models import App, DeviceToken, User
from users.origin import Origin

BOUNDED = hypothesis_settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    # The population is made once. The changes of each example are rolled back.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
HOUR = timedelta(hours=1)
IOS = Selection(platforms=("iOS",))
EVERYONE = Selection(everyone=True)


@pytest.fixture
def clock():
    with time_machine.travel(NOW, tick=False) as clock:
        yield clock


@pytest.fixture
def rows(db, clock):
    return make_population()


@pytest.fixture
def small_batches(monkeypatch):
    monkeypatch.setattr(runs, "BATCH", 10)


@pytest.fixture
def thirty(db, clock, small_batches):
    """Three batches of sessions on iOS, and one session on another platform."""
    sessions = [new_session(platform="iOS") for _ in range(30)]
    new_session(platform="Android")
    return sessions


def start(selection, *, expected=None, source=BulkRun.Source.COMMAND, **facts):
    expected = Preview(selection).count if expected is None else expected
    return start_run(selection, source=source, note=facts.pop("note", "a test"), expected=expected, **facts)


def sweep(run):
    counts = list(sweep_run(run))
    run.refresh_from_db()
    return counts


def live_ids():
    return {str(pk) for pk in Session.objects.filter(ended_at=None).values_list("pk", flat=True)}


def refusals():
    now, sessions = timezone.now(), Session.objects.select_related("app", "user")
    return {str(session.pk): session.refusal(now) for session in sessions}


def accepted_ids():
    return {pk for pk, refusal in refusals().items() if refusal is None}


# --- the preview -----------------------------------------------------------------------------------------------------


def test_a_preview_counts_live_sessions_and_their_users_and_shows_the_newest(rows):
    given = {"platforms": ("ios",), "created_before": NOW - timedelta(days=3)}
    found = Preview(Selection(**given))
    wanted = [row for row in rows if row.is_live and is_meant(row, given)]
    assert (found.count, found.users) == (len(wanted), len({row.user for row in wanted} - {None}))
    assert found.user_ids() == {row.user for row in wanted} - {None}
    assert [str(session.pk) for session in found.sample(3)] == sorted((row.id for row in wanted), reverse=True)[:3]
    assert [str(session.pk) for session in found.sample(10_000)] == sorted((row.id for row in wanted), reverse=True)


def test_a_preview_changes_nothing(rows):
    before = refusals()
    found = Preview(EVERYONE)
    found.sample(5), found.user_ids(), found.digest
    assert refusals() == before
    assert not BulkRun.objects.exists()


def test_a_digest_confirms_its_own_filters_and_tells_the_count_that_was_seen(thirty):
    digest = Preview(IOS).digest
    new_session(platform="iOS")
    now = Preview(IOS)
    assert (now.count, now.count_confirmed_by(digest)) == (31, 30)
    assert now.digest != digest
    for other in (EVERYONE, Selection(platforms=("Android",)), Selection(platforms=("iOS",), spare_superusers=True)):
        assert Preview(other).count_confirmed_by(digest) is None


@pytest.mark.parametrize(
    "spoil",
    [
        lambda digest: digest[:0],
        lambda digest: digest[:-1],
        lambda digest: digest + "0",
        lambda digest: digest + "\n",
        lambda digest: digest[:-1] + "g",
        lambda digest: digest[1:] + digest[0],
        lambda digest: digest[:16] + "0x" + digest[18:],
        lambda digest: digest[:16],
    ],
)
def test_a_malformed_digest_confirms_nothing(thirty, spoil):
    found = Preview(IOS)
    assert found.count_confirmed_by(spoil(found.digest)) is None


@pytest.mark.parametrize(("more", "is_refused"), [(3, False), (4, True)])
def test_a_selection_may_grow_by_a_tenth_since_the_preview_and_no_more(thirty, more, is_refused):
    for _ in range(more):
        new_session(platform="iOS")
    app = App.objects.get()
    # This selection sets a cut-off, so a refused run could leave one behind.
    for selection in (IOS, Selection(apps=(app.pk,), created_before=NOW + HOUR)):
        expected = 30 if selection is IOS else 31
        if is_refused:
            with pytest.raises(SelectionGrown, match=f"{expected + more} sessions are selected now, {expected}"):
                start(selection, expected=expected)
            assert not BulkRun.objects.exists()
            assert set(refusals().values()) == {None}
        else:
            assert start(selection, expected=expected).expected == expected + more


def test_how_much_it_may_grow_is_a_setting(thirty, settings):
    settings.BULK_MAY_GROW = 1.5
    assert start(IOS, expected=20).expected == 30
    with pytest.raises(SelectionGrown):
        start(IOS, expected=19)


def test_a_selection_that_has_shrunk_is_accepted(thirty):
    assert start(IOS, expected=5000).expected == 30


def test_a_run_without_filters_ends_nothing(db):
    """Neither an order without filters nor a stored run that has lost its filters."""
    with pytest.raises(SelectionError):
        Selection.from_json({})
    run = BulkRun.objects.create(
        source="command", selection={}, fingerprint="", expected=0, cut_off=False, started_at=NOW, as_of=NOW
    )
    new_session()
    with pytest.raises(SelectionError):
        next(sweep_run(run))
    assert len(live_ids()) == 1


# --- the cut-off -----------------------------------------------------------------------------------------------------


@BOUNDED
@given(data=st.data())
def test_a_cut_off_refuses_exactly_the_selected_sessions_before_any_is_ended(rows, data):
    of = {"users": st.just({row.user for row in rows} - {None}), "apps": st.just({row.app for row in rows})}
    kind = data.draw(st.sampled_from(["everyone", "apps", "users", None]))
    given = {}
    if kind == "everyone":
        given["everyone"] = True
    elif kind is not None:
        given[kind] = tuple(data.draw(st.sets(st.sampled_from(sorted(data.draw(of[kind]))), max_size=6)))
        given["spare_superusers"] = kind == "users" and data.draw(st.booleans())
    if kind is None or (kind != "everyone" and data.draw(st.booleans())):
        given["created_before"] = data.draw(st.sampled_from(rows)).created_at + data.draw(st.integers(-1, 1)) * TICK
    given = {name: value for name, value in given.items() if value is not False}
    with undone():
        accepted, live = accepted_ids(), live_ids()
        run = start(Selection(**given))
        assert run.cut_off
        assert accepted_ids() == accepted - {row.id for row in rows if is_meant(row, given)}
        assert live_ids() == live
        sweep(run)
        assert live_ids() == live - {row.id for row in rows if is_meant(row, given)}


def test_tokens_are_refused_before_their_rows_are_swept_and_those_of_a_new_login_are_good(new_phone, clock):
    phone = new_phone(device_token="push").sign_up()
    access = phone.access_token
    assert phone.me().status == 200
    run = start(EVERYONE)
    assert phone.me(access).status == 401
    if phone.refresh_token:
        assert phone.refresh().status == 401
    assert len(live_ids()) == run.expected
    clock.shift(1)
    phone = new_phone().sign_up()
    assert phone.me().status == 200
    sweep(run)
    assert phone.me().status == 200
    assert not device_token("push").user


def test_a_session_from_before_the_order_is_refused_and_one_from_after_is_not_whatever_their_times(db, clock):
    old = new_session(created_at=NOW + TICK)
    app = App.objects.get()
    run = start(Selection(apps=(app.pk,)))
    new = new_session(created_at=NOW - HOUR)
    assert refusals() == {str(old.pk): Refusal.APP_CUT_OFF, str(new.pk): None}
    sweep(run)
    assert live_ids() == {str(new.pk)}


@pytest.mark.parametrize("of", ["apps", "users"])
def test_a_cut_off_never_undoes_an_earlier_one(db, clock, of):
    app = App.objects.create(name="App", sessions_valid_after=NOW)
    user = User.objects.create_user("ann", sessions_valid_after=NOW)
    new_session(app=app, user=user, created_at=NOW - HOUR)
    selection = Selection(**{of: ((app if of == "apps" else user).pk,)}, created_before=NOW - timedelta(days=1))
    start(selection, expected=1)
    app.refresh_from_db()
    user.refresh_from_db()
    assert (app.sessions_valid_after, user.sessions_valid_after) == (NOW, NOW)


def test_a_moment_in_the_future_locks_nobody_out_who_logs_in_later(db, clock):
    new_session()
    start(Selection(created_before=NOW + HOUR))
    clock.shift(1)
    later = new_session()
    assert accepted_ids() == {str(later.pk)}


# --- what a run ends -------------------------------------------------------------------------------------------------


@BOUNDED
@given(data=st.data())
def test_a_run_ends_exactly_the_live_sessions_that_its_filters_mean(rows, small_batches, data):
    given = data.draw(filters(rows))
    wanted = {row.id for row in rows if row.is_live and is_meant(row, given)}
    with undone():
        live = live_ids()
        run = start(Selection(**given))
        counts = sweep(run)
        assert live_ids() == live - wanted
        assert set(map(str, run.sessions.values_list("pk", flat=True))) == wanted
        assert (run.expected, run.ended, run.finished_at) == (len(wanted), len(wanted), NOW)
        assert counts == [*range(10, len(wanted), 10), *([len(wanted)] if wanted else [])]
        blacklisted = set(BlacklistedToken.objects.values_list("token__jti", flat=True))
        assert blacklisted == {row.refresh_jti for row in rows if row.id in wanted} - {None}


@pytest.mark.parametrize("source", [BulkRun.Source.ADMIN, BulkRun.Source.COMMAND])
def test_each_session_says_why_by_whom_from_where_and_in_which_run_it_ended(db, clock, source):
    ann, boss = User.objects.create_user("ann"), User.objects.create_superuser("boss")
    push = DeviceToken.of("push", user=ann)
    push.save()
    session = new_session(user=ann, device_token=push)
    ended_before = new_session(user=ann, ended_at=NOW - HOUR, end_reason=EndReason.LOGOUT)
    origin = Origin(ip="192.0.2.7", request_id="request-7")
    run = start(
        *(Selection(users=(ann.pk,)),), source=source, actor=boss, operator="root@db", origin=origin, note="stolen"
    )
    clock.shift(1)
    sweep(run)
    session.refresh_from_db()
    reason = {"admin": EndReason.STAFF, "command": EndReason.OPERATOR}[source]
    assert (session.end_reason, session.ended_by, session.bulk_run) == (reason, boss, run)
    assert (session.ended_ip, session.ended_request_id) == ("192.0.2.7", "request-7")
    assert session.ended_at == NOW + timedelta(seconds=1)
    assert (run.note, run.operator, run.started_at, run.as_of) == ("stolen", "root@db", NOW, NOW)
    push.refresh_from_db()
    assert push.user is None
    ended_before.refresh_from_db()
    assert (ended_before.end_reason, ended_before.bulk_run) == (EndReason.LOGOUT, None)


def test_a_run_can_end_them_for_another_reason(thirty):
    run = start(IOS, reason=EndReason.USER_DISABLED)
    list(sweep_run(run))
    assert {session.end_reason for session in run.sessions.all()} == {"user_disabled"}


def test_a_batch_that_fails_leaves_nothing_of_itself_and_the_next_try_goes_on(thirty, monkeypatch):
    batches = []

    def fails_once(*args, **options):
        ended = end_sessions(*args, **options)
        batches.append(ended)
        if len(batches) == 2:
            raise ConnectionError
        return ended

    monkeypatch.setattr(runs, "end_sessions", fails_once)
    run = start(IOS)
    with pytest.raises(ConnectionError):
        sweep(run)
    run.refresh_from_db()
    assert (run.ended, run.sessions.count(), run.finished_at) == (10, 10, None)
    sweep(start(IOS))
    run.refresh_from_db()
    assert (run.ended, run.sessions.count(), run.finished_at) == (30, 30, NOW)


def test_a_login_that_commits_behind_the_sweep_is_ended(thirty):
    """A session gets its id and time before its commit, so an earlier id may appear late."""
    sweeping = sweep_run(start(IOS))
    next(sweeping)
    first = min(session.pk for session in thirty)
    late = new_session(pk=UUID(int=first.int - 1), platform="iOS", created_at=NOW - TICK)
    assert list(sweeping)[-1] == 31
    late.refresh_from_db()
    assert late.ended_at


def test_sessions_that_end_in_another_way_during_a_run_do_not_count_for_it(thirty):
    run = start(IOS)
    sweeping = sweep_run(run)
    next(sweeping)
    logged_out = Session.objects.filter(ended_at=None, platform="iOS").first()
    end_sessions(Session.objects.filter(pk=logged_out.pk), actor=None, reason=EndReason.LOGOUT)
    list(sweeping)
    run.refresh_from_db()
    assert (run.expected, run.ended, run.sessions.count()) == (30, 29, 29)
    logged_out.refresh_from_db()
    assert logged_out.end_reason == EndReason.LOGOUT


# --- interrupted, and given again ------------------------------------------------------------------------------------


def interrupted_run(selection=IOS, **facts):
    """A run with one finished batch."""
    run = start(selection, **facts)
    sweeping = sweep_run(run)
    next(sweeping)
    sweeping.close()
    return run


def test_a_run_that_was_interrupted_goes_on_where_it_stopped(thirty, clock):
    run = interrupted_run()
    ended_at = dict(run.sessions.values_list("pk", "ended_at"))
    assert len(ended_at) == 10
    clock.shift(HOUR)
    again = start(IOS)
    assert (again.pk, again.started_at, again.as_of, again.expected) == (run.pk, NOW, NOW + HOUR, 30)
    assert sweep(again) == [20, 30]
    assert {pk: at for pk, at in run.sessions.values_list("pk", "ended_at") if pk in ended_at} == ended_at
    assert BulkRun.objects.count() == 1


@pytest.mark.parametrize("selection", [IOS, EVERYONE], ids=["swept", "cut off"])
def test_a_repeated_order_also_ends_sessions_opened_since(thirty, clock, selection):
    run = interrupted_run(selection)
    clock.shift(timedelta(days=7))
    since = new_session(platform="iOS")
    assert str(since.pk) in accepted_ids()
    again = start(selection)
    assert again.pk == run.pk
    assert again.expected == again.ended + Preview(selection).count
    if again.cut_off:
        assert not accepted_ids()
    clock.shift(1)
    later = new_session(platform="iOS")
    sweep(again)
    since.refresh_from_db()
    assert since.bulk_run == run
    assert str(later.pk) in accepted_ids()
    assert again.ended == again.expected


def test_idleness_is_counted_anew_when_an_order_is_given_again(db, clock, monkeypatch):
    monkeypatch.setattr(runs, "BATCH", 1)
    for hours in (3, 2, 1):
        new_session(created_at=NOW - hours * HOUR)
    idle = Selection(idle_for=2 * HOUR)
    assert interrupted_run(idle).expected == 2
    clock.shift(HOUR)
    again = start(idle)
    assert again.expected == 3
    sweep(again)
    assert not live_ids()


def test_a_selection_that_has_grown_since_an_interruption_needs_a_new_preview(thirty, clock):
    """The limit of a tenth is relative to the count of the new preview, not to the count of the run."""
    run = interrupted_run(EVERYONE)
    expected = Preview(EVERYONE).count
    clock.shift(HOUR)
    since = {str(new_session().pk) for _ in range(3)}
    with pytest.raises(SelectionGrown, match="24 sessions are selected now, 21"):
        start(EVERYONE, expected=expected)
    run.refresh_from_db()
    assert (run.as_of, run.expected) == (NOW, 31)
    assert accepted_ids() == since


def test_a_sweep_at_work_also_ends_the_sessions_of_a_repeated_order(thirty, clock):
    run = start(IOS)
    sweeping = sweep_run(run)
    next(sweeping)
    clock.shift(HOUR)
    since = new_session(platform="iOS")
    start(IOS)
    assert list(sweeping) == [20, 30, 31]
    since.refresh_from_db()
    assert since.bulk_run == run


def test_a_run_that_lost_its_last_sessions_to_their_users_is_finished_when_it_is_given_again(thirty, clock):
    run = interrupted_run()
    end_sessions(Session.objects.all(), actor=None, reason=EndReason.LOGOUT)
    assert Preview(IOS).count == 0
    assert find_interrupted(IOS, source=BulkRun.Source.COMMAND) == run
    assert sweep(start(IOS)) == []
    run.refresh_from_db()
    assert (run.ended, run.finished_at) == (10, NOW)
    assert find_interrupted(IOS, source=BulkRun.Source.COMMAND) is None


def test_an_order_after_one_that_is_done_is_a_run_of_its_own(thirty):
    done = start(IOS)
    sweep(done)
    session = new_session(platform="iOS")
    sweep(start(IOS))
    session.refresh_from_db()
    assert session.bulk_run != done


def test_an_order_is_recorded_under_its_own_actor(thirty):
    ann, ben = User.objects.create_superuser("ann"), User.objects.create_superuser("ben")
    runs = {
        start(IOS, source=source, actor=actor).pk
        for source, actor in [("command", None), ("admin", ann), ("admin", ben), ("command", None), ("admin", ann)]
    }
    assert len(runs) == 3


def test_the_record_names_all_who_gave_an_order_and_why(thirty):
    interrupted_run(operator="ann@one", note="ticket 12")
    start(IOS, operator="ben@two", note="ticket 1")
    start(IOS, operator="ann@one", note="ticket 12")
    run = start(IOS, operator="ben@two", note="", origin=Origin(ip="192.0.2.7", request_id="second"))
    assert run.operator == "ann@one, ben@two"
    assert run.note == "ticket 12\nticket 1"
    sweep(run)
    # The sessions of each batch have the reason of that batch.
    assert sorted(run.sessions.values_list("ended_request_id", flat=True)) == [""] * 10 + ["second"] * 20


# --- several at once -------------------------------------------------------------------------------------------------


def test_two_processes_that_take_turns_end_each_session_once(thirty, clock):
    new_session(platform="iOS")
    run = start(IOS)
    one, other = sweep_run(run), sweep_run(run)
    assert [next(one), next(other), next(one), next(other)] == [10, 20, 30, 31]
    clock.shift(HOUR)
    assert list(one) == list(other) == []
    run.refresh_from_db()
    assert (run.ended, run.sessions.count(), run.finished_at) == (31, 31, NOW)


def in_thread(call):
    def run(*args):
        try:
            return call(*args)
        finally:
            connection.close()

    return run


def test_four_processes_can_give_and_sweep_the_same_order_at_once(transactional_db, small_batches):
    for made in (make_users(20), make_sessions(400, users=20)):
        list(made)
    first = interrupted_run(EVERYONE)
    barrier = threading.Barrier(4)

    @in_thread
    def give(_):
        barrier.wait()
        run = start(EVERYONE, expected=1000)
        list(sweep_run(run))
        return run.pk

    with ThreadPoolExecutor(4) as pool:
        assert first.pk in set(pool.map(give, range(4)))
    first.refresh_from_db()
    # A process that comes after the end starts a new run, which ends nothing.
    assert (first.ended, first.sessions.count(), first.expected) == (400, 400, 400)
    assert set(BulkRun.objects.exclude(pk=first.pk).values_list("ended", flat=True)) <= {0}
    assert not live_ids()
    jtis = Session.objects.exclude(refresh_jti=None).values_list("refresh_jti", flat=True)
    assert sorted(BlacklistedToken.objects.values_list("token__jti", flat=True)) == sorted(jtis)


def test_a_session_that_is_used_again_before_its_batch_lives_on(transactional_db):
    app_user = User.objects.create_user("ann")
    ago = timezone.now() - timedelta(days=2)
    used, idle = (new_session(user=app_user, created_at=ago) for _ in range(2))
    run = start(Selection(idle_for=timedelta(days=1)))
    assert run.expected == 2
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            Session.objects.filter(pk=used.pk).update(last_seen_at=timezone.now())
            swept = pool.submit(in_thread(lambda: list(sweep_run(run))))
            wait_until(is_waited_for)
        assert swept.result(20) == [1]
    assert live_ids() == {str(used.pk)}
    idle.refresh_from_db()
    assert idle.bulk_run == run


def test_a_login_does_not_wait_for_a_run_that_is_at_work(transactional_db):
    """The two can't deadlock: a run locks no user while it waits for a session."""
    ann = User.objects.create_user("ann")
    session = new_session(user=ann)
    run = start(EVERYONE)
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            # The lock order of a log-in: first the user, then the sessions.
            User.objects.select_for_update(no_key=True).get(pk=ann.pk)
            Session.objects.select_for_update(no_key=True).get(pk=session.pk)
            swept = pool.submit(in_thread(lambda: list(sweep_run(run))))
            wait_until(is_waited_for)
            assert User.objects.filter(pk=ann.pk).update(last_login=timezone.now()) == 1
            later = new_session(user=ann)
        assert swept.result(20) == [1]
    assert live_ids() == {str(later.pk)}


@pytest.mark.parametrize("filters", [{"everyone": True}, {"networks": ("192.0.2.0/24",)}], ids=["epoch", "no epoch"])
def test_a_log_in_that_is_under_way_at_the_order_is_ended_by_its_sweep(transactional_db, filters):
    """The log-in may commit after the sweep has seen all other sessions."""
    get_zap_app()
    ann, looked = User.objects.create_user("ann"), threading.Event()

    def sweep(order):
        for _ in sweep_run(order):
            looked.set()

    with other_threads() as do:
        with transaction.atomic():
            log_in_with_refresh(ann, device_token="phone", origin=Origin(ip="192.0.2.1"))
            order = do(start, Selection(**filters), expected=9).result(20)
            swept = do(sweep, order)
            wait_until(lambda: looked.is_set() or swept.done())
        swept.result(20)
    order.refresh_from_db()
    assert (order.ended, live_ids()) == (1, set())
    assert device_token("phone").user_id is None


def test_a_sweep_does_not_wait_for_ever_for_a_strangers_transaction(transactional_db, monkeypatch):
    monkeypatch.setattr(runs, "LONGEST_WAIT", 0.1)
    ann = User.objects.create_user("ann")
    new_session(user=ann)
    with other_threads() as do, transaction.atomic():
        App.objects.create(name="under way")
        order = do(start, EVERYONE, expected=1).result(20)
        assert do(lambda: list(sweep_run(order))).result(20)[-1] == 1
        order.refresh_from_db()
        assert order.finished_at is not None
