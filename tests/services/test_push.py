"""The push gate: who may get a push now, in the words of a push sender."""

import json
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from sessions.bulk import app_orders, orders
from sessions.bulk.runs import start_run, sweep_run
from sessions.login.with_refresh import log_in_with_refresh
from sessions.models import BulkRun, Session
from sessions.pushes import MOST, MOST_OF_USER, MOST_OF_USERS, most_of_each
from sessions.selection.selection import Selection
from tests.locks import is_waited_for
from tests.phones import PASSWORD, SEED_DEVICE_TOKEN, BuddyPhone, InProcess, ZapPhone, device_token
from tests.services.senders import INSTALLATION_ID, Sender
from tests.threads import other_threads
from tests.waiting import wait_until
from users.clients import create_app, get_zap_app
from users.models import Access, App, DeviceToken, SecurityEvent, User
from users.origin import Origin
from users.record.events import Event

HERE = Origin(ip="192.0.2.1")
LONGEST = "Ω:é-_/+=~" * 455 + "x"
assert len(LONGEST) == DeviceToken.MAX_LENGTH


@pytest.fixture
def sender(db):
    return Sender(InProcess())


@pytest.fixture
def ann(new_phone):
    """Ann's phone, where she is logged in."""
    return new_phone(device_token="anns").sign_up()


def refused(token):
    return {"deviceToken": token, "allowed": False, "user": None, "app": None, "platform": None}


def staff():
    return User.objects.create_superuser("boss", PASSWORD)


# --- who may get a push --------------------------------------------------------------------------


def test_a_phone_with_a_logged_in_user_may_get_a_push(sender, ann):
    session = Session.objects.get(user=ann.user_id)
    before = timezone.now()
    reply = sender.post("/push/check", {"deviceTokens": ["anns", "unknown"]})
    allowed = {"allowed": True, "user": ann.user_id, "app": session.app_id, "platform": session.platform}
    assert reply.json["deviceTokens"] == [{"deviceToken": "anns"} | allowed, refused("unknown")]
    assert before <= timezone.datetime.fromisoformat(reply.json["checkedAt"]) <= timezone.now()
    assert reply.headers["cache-control"] == "no-store"
    assert sender.tokens(ann.user_id)["deviceTokens"] == [{"deviceToken": "anns"} | allowed]
    assert sender.allowed(users=[ann.user_id]) == {"anns": ann.user_id}


def nobody_may_be_pushed(sender, ann):
    """Fail if one of the routes says that a push may be sent to Ann or to her phone."""
    assert sender.verdicts(deviceTokens=["anns", {"deviceToken": "anns", "user": ann.user_id}]) == [refused("anns")] * 2
    assert sender.verdicts(users=[ann.user_id]) == []
    assert sender.tokens(ann.user_id)["deviceTokens"] == []


def is_attached():
    return device_token("anns").user_id is not None


def test_after_a_logout_no_push_is_allowed(sender, ann):
    assert ann.log_out().status == 200
    nobody_may_be_pushed(sender, ann)


def everybody_out(ann):
    start_run(Selection(everyone=True), source=BulkRun.Source.COMMAND, note="", expected=9)


def their_user_out(ann):
    start_run(Selection(users=(ann.user_id,)), source=BulkRun.Source.COMMAND, note="", expected=9)


def expire(ann):
    Session.objects.filter(user=ann.user_id).update(expires_at=timezone.now())


def idle(ann):
    Session.objects.filter(user=ann.user_id).update(last_seen_at=timezone.now() - timedelta(days=15))


def disable_the_account(ann):
    User.objects.filter(pk=ann.user_id).update(is_active=False)


def delete_the_account(ann):
    User.objects.filter(pk=ann.user_id).update(deleted_at=timezone.now())


def switch_the_app_off(ann):
    App.objects.filter(session__user=ann.user_id).update(is_active=False)


def cut_the_app_off(ann):
    App.objects.filter(session__user=ann.user_id).update(sessions_valid_after=timezone.now())


def cut_the_user_off(ann):
    User.objects.filter(pk=ann.user_id).update(sessions_valid_after=timezone.now())


UNSWEPT = [
    *(everybody_out, their_user_out, expire, idle, disable_the_account, delete_the_account),
    *(switch_the_app_off, cut_the_app_off, cut_the_user_off),
]


@pytest.mark.parametrize("refuse", UNSWEPT, ids=lambda refuse: refuse.__name__)
def test_no_push_is_allowed_once_the_session_is_refused_before_its_row_is_swept(sender, ann, refuse):
    refuse(ann)
    assert is_attached()
    nobody_may_be_pushed(sender, ann)


def test_real_orders_of_staff_stop_the_pushes_before_and_after_the_sweep(sender, ann):
    order = start_run(Selection(everyone=True), source=BulkRun.Source.COMMAND, note="", expected=9)
    nobody_may_be_pushed(sender, ann)
    list(sweep_run(order))
    assert not is_attached()
    nobody_may_be_pushed(sender, ann)


def test_an_app_that_is_switched_off_and_on_gets_no_pushes_for_sessions_of_before(sender, ann):
    app, boss = Session.objects.get(user=ann.user_id).app, staff()
    app_orders.switch_off(app, actor=boss, origin=HERE, note="", expected=9)
    nobody_may_be_pushed(sender, ann)
    app_orders.switch_on(app, actor=boss, origin=HERE, note="")
    nobody_may_be_pushed(sender, ann)


def test_a_disabled_account_gets_no_push(sender, ann):
    orders.disable_user(ann.user_id, actor=staff(), origin=HERE, note="")
    nobody_may_be_pushed(sender, ann)


# --- a phone that changes hands ------------------------------------------------------------------


def test_a_message_for_ann_does_not_go_to_the_phone_that_ben_has_now(sender, new_phone):
    phone = new_phone(device_token="shared").sign_up()
    ann_id = phone.user_id
    new_phone().sign_up("ben")
    phone.log_out()
    assert phone.log_in("ben").status == 200
    for_ann, for_ben = ({"deviceToken": "shared", "user": user} for user in (ann_id, phone.user_id))
    first, second, third = sender.verdicts(deviceTokens=[for_ann, for_ben, "shared"])
    assert first == refused("shared")
    assert (second["allowed"], second["user"]) == (True, phone.user_id)
    assert third == second  # without a user, the answer says whose it is
    assert sender.allowed(users=[ann_id, phone.user_id]) == {"shared": phone.user_id}


@pytest.mark.only("zap")
def test_a_log_in_without_a_logout_takes_the_phone_from_its_user(sender, new_phone):
    phone = new_phone(device_token="shared").sign_up()
    ann_id = phone.user_id
    new_phone().sign_up("ben")
    assert phone.log_in("ben").status == 200
    assert sender.allowed(deviceTokens=[{"deviceToken": "shared", "user": ann_id}]) == {}
    assert sender.allowed(deviceTokens=["shared"]) == {"shared": phone.user_id}


def test_an_app_level_session_gets_no_pushes(sender, db):
    phone = BuddyPhone(InProcess(), device_token="nobodys")
    assert phone.register_device().status == 201
    assert sender.verdicts(deviceTokens=["nobodys"]) == [refused("nobodys")]


def test_each_asked_device_token_has_its_verdict_in_order_and_none_comes_twice_for_a_user(sender, ann, new_phone):
    new_phone(device_token="tablet").log_in(ann.username)
    asked = ["x", {"deviceToken": "anns", "user": ann.user_id}, "x"]
    found = sender.verdicts(deviceTokens=asked, users=[ann.user_id, "f" * 24, ann.user_id])
    assert [each["deviceToken"] for each in found] == ["x", "anns", "x", "tablet"]
    assert [each["allowed"] for each in found] == [False, True, False, True]


def test_many_device_tokens_of_a_user_come_in_pages_and_the_newest_in_a_check(sender, ann):
    held = Session.objects.get(user=ann.user_id)
    for number in range(MOST_OF_USER + 3):
        token = DeviceToken.of(f"token {number}", user_id=ann.user_id)
        token.save()
        copy = Session.objects.get(pk=held.pk)
        copy.pk, copy.refresh_jti, copy.device_token = Session().pk, None, token
        copy.save(force_insert=True)
        DeviceToken.objects.filter(pk=token.pk).update(held_by=copy.pk)
    first = sender.tokens(ann.user_id)
    second = sender.tokens(ann.user_id, f"&after={first['next']}")
    assert "next" not in second
    pages = [each["deviceToken"] for page in (first, second) for each in page["deviceTokens"]]
    everything = ["anns", *(f"token {number}" for number in range(MOST_OF_USER + 3))]
    assert pages == everything
    assert len(first["deviceTokens"]) == MOST_OF_USER
    checked = [each["deviceToken"] for each in sender.verdicts(users=[ann.user_id])]
    assert checked == everything[: -MOST_OF_USER - 1 : -1]


# --- reach ---------------------------------------------------------------------------------------


def test_an_app_that_reaches_its_own_sessions_sees_no_others_and_detaches_none(db):
    made = create_app("Buddy app")
    own = BuddyPhone(InProcess(), device_token="own", app_id=made.app.pk, app_key=made.key).sign_up()
    other = ZapPhone(InProcess(), device_token="other").sign_up()
    sender = Sender(InProcess(), Access.OWN, made)
    assert sender.allowed(deviceTokens=["own", "other"], users=[own.user_id, other.user_id]) == {"own": own.user_id}
    assert sender.verdicts(deviceTokens=["other"]) == [refused("other")]
    assert sender.tokens(other.user_id)["deviceTokens"] == []
    assert sender.gone("other", "unknown") == 0
    assert Sender(InProcess()).allowed(deviceTokens=["other"]) == {"other": other.user_id}
    assert sender.gone("own") == 1


@pytest.mark.parametrize("path", ["/push/check", "/push/tokens?user=x", "/push/gone"])
def test_an_app_without_access_is_refused(db, path, ann):
    sender = Sender(InProcess(), Access.NONE)
    method = "GET" if "?" in path else "POST"
    content = {
        "headers": sender.headers | {"Content-Type": "application/json"},
        "content": '{"deviceTokens": ["anns"]}',
    }
    reply = InProcess()(method, path, **content)
    assert (reply.status, reply.json["error"]) == (403, "unauthorized_client")
    assert InProcess()(method, path).status == 401
    assert InProcess()(method, path, headers={"Authorization": f"{ann.scheme} {ann.access_token}"}).status == 401


# --- reports of devices out of reach -------------------------------------------------------------


def told():
    return list(SecurityEvent.objects.filter(event=Event.DEVICE_TOKEN_GONE))


def test_a_device_out_of_reach_gets_no_pushes_and_its_user_stays_logged_in(sender, ann, subtests):
    session = Session.objects.get(user=ann.user_id)
    assert sender.gone("anns", "unknown") == 1
    nobody_may_be_pushed(sender, ann)
    assert (is_attached(), ann.me().status) == (False, 200)
    (entry,) = told()
    assert (entry.user_id, entry.session_id, entry.app_id) == (ann.user_id, session.pk, sender.app.pk)
    assert entry.details == {"device_token": device_token("anns").pk}
    with subtests.test("a second report changes nothing"):
        assert sender.gone("anns") == 0
        assert told() == [entry]


def test_a_phone_that_sends_its_device_token_again_gets_pushes_again(sender, ann):
    assert sender.gone("anns") == 1
    if isinstance(ann, BuddyPhone):
        assert ann.ask("PATCH", "/devices/current", {"pushToken": "anns"}).status == 200
    else:
        assert ann.log_in(ann.username).status == 200
    assert sender.allowed(deviceTokens=["anns"]) == {"anns": ann.user_id}


def send_token_again(phone):
    """Let the phone send its device token again, as after a new installation."""
    if isinstance(phone, BuddyPhone):
        assert phone.ask("PATCH", "/devices/current", {"pushToken": phone.device_token}).status == 200
    else:
        assert phone.log_in(phone.username).status == 200


def test_a_report_leaves_a_device_token_that_its_phone_has_sent_since_the_check(sender, ann):
    checked_at = sender.post("/push/check", {"deviceTokens": ["anns"]}).json["checkedAt"]
    send_token_again(ann)
    assert sender.gone("anns", checkedAt=checked_at) == 0
    assert sender.gone({"deviceToken": "anns", "checkedAt": checked_at}, checkedAt="2999-01-01T00:00:00Z") == 0
    assert sender.allowed(deviceTokens=["anns"]) == {"anns": ann.user_id}
    checked_at = sender.post("/push/check", {"deviceTokens": ["anns"]}).json["checkedAt"]
    assert sender.gone("anns", checkedAt=checked_at) == 1


def test_the_clock_of_a_server_does_not_decide_which_came_first(sender, ann, monkeypatch):
    """A server whose clock is an hour slow stores the device token after the check."""
    checked_at = sender.post("/push/check", {"deviceTokens": ["anns"]}).json["checkedAt"]
    real = timezone.now
    monkeypatch.setattr(timezone, "now", lambda: real() - timedelta(hours=1))
    send_token_again(ann)
    assert sender.gone("anns", checkedAt=checked_at) == 0


@pytest.mark.only("zap")
def test_a_log_in_that_is_under_way_during_a_report_keeps_its_pushes(transactional_db):
    get_zap_app()
    sender, ann = Sender(InProcess()), ZapPhone(InProcess(), device_token="anns").sign_up()
    checked_at = sender.post("/push/check", {"deviceTokens": ["anns"]}).json["checkedAt"]
    with other_threads() as start:
        with transaction.atomic():
            log_in_with_refresh(User.objects.get(pk=ann.user_id), device_token="anns", origin=HERE)
            report = start(sender.gone, "anns", checkedAt=checked_at)
            wait_until(is_waited_for)
        assert report.result(20) == 0
    assert sender.allowed(deviceTokens=["anns"]) == {"anns": ann.user_id}


def test_many_reports_are_recorded_by_one_statement(sender, ann, new_phone):
    for number in range(3):
        new_phone(device_token=f"tablet {number}").log_in(ann.username)
    tokens = ["anns", *(f"tablet {number}" for number in range(3))]
    with CaptureQueriesContext(connection) as one:
        assert sender.gone("anns") == 1
    with CaptureQueriesContext(connection) as many:
        assert sender.gone(*tokens) == 3
    assert len(many) == len(one)
    assert len(told()) == 4


# --- the cost ------------------------------------------------------------------------------------


def test_a_check_of_many_takes_as_many_statements_as_of_one(sender, ann, django_assert_num_queries):
    """One statement finds the app, one reads the clock, one finds device tokens, and one those of users."""
    with django_assert_num_queries(3):
        sender.verdicts(deviceTokens=["anns"])
    with django_assert_num_queries(4):
        sender.verdicts(deviceTokens=["anns", *map(str, range(200))], users=[ann.user_id, *map(str, range(200))])
    with django_assert_num_queries(3):
        sender.tokens(ann.user_id)


# --- what is taken -------------------------------------------------------------------------------


@pytest.mark.parametrize("token", [INSTALLATION_ID, SEED_DEVICE_TOKEN, LONGEST], ids=["id", "token", "longest"])
def test_any_opaque_text_of_up_to_4096_characters_is_a_device_token(sender, new_phone, token):
    phone = new_phone(device_token=token).sign_up()
    asked = {"deviceToken": token, "user": phone.user_id}
    assert sender.allowed(deviceTokens=[asked], users=[phone.user_id]) == {token: phone.user_id}
    assert [each["deviceToken"] for each in sender.tokens(phone.user_id)["deviceTokens"]] == [token]
    assert sender.gone(token) == 1
    send_token_again(phone)
    assert sender.allowed(deviceTokens=[token]) == {token: phone.user_id}


def test_unknown_users_are_no_error(sender):
    assert sender.verdicts(users=["f" * 24, "nobody", "' OR 1=1 --"]) == []
    assert sender.tokens("nobody")["deviceTokens"] == []


FINE = {"deviceToken": "x", "user": "f" * 24}
BAD_VALUES = [
    *(None, 7, True, 1.5, [], ["x"], "", " ", "x" * 4097, "nul\0", "\ud800", {}, {"user": "x"}, {"deviceToken": None}),
    *({"deviceToken": "x", "user": bad} for bad in (None, 7, "", "f" * 25, "nul\0", ["x"], {})),
    *({"deviceToken": "x", "userId": "f" * 24}, {"devicetoken": "x"}, {"deviceToken": 7, "user": "x"}),
]
BAD_CHECKS = [
    *({}, [], None, 7, "x", [{"deviceTokens": ["x"]}]),
    *({"deviceTokens": bad} for bad in (None, "x", 7, {}, {"deviceToken": "x"}, [])),
    *({"users": bad} for bad in (None, "x", 7, {}, [])),
    {"deviceTokens": [], "users": []},
    {"device_tokens": ["x"]},
    {"deviceTokens": ["x"] * (MOST + 1)},
    {"users": ["x"] * (MOST + 1)},
    *({"deviceTokens": ["x", bad]} for bad in BAD_VALUES),
    *({"users": ["x", bad]} for bad in (None, 7, True, [], {}, "", "x" * 25, "nul\0", "\ud800")),
]
BAD_REPORTS = [
    *({}, [], None, "x", {"deviceTokens": []}, {"deviceTokens": None}, {"deviceTokens": ["x"] * (MOST + 1)}),
    *({"deviceTokens": ["anns", bad]} for bad in BAD_VALUES),
    *({"deviceTokens": ["anns"], "checkedAt": bad} for bad in (None, 7, "", "now", "2026-11-22", [], "x" * 5000)),
    {"deviceTokens": ["anns"], "checkedAt": "2026-11-22T09:00:00"},
    {"deviceTokens": ["anns"], "checkedAt": "9999-12-31T23:59:59-23:59"},
    {"deviceTokens": ["anns", {"deviceToken": "x", "checkedAt": 7}]},
    {"deviceTokens": ["anns", {"deviceToken": "x", "user": "f" * 24}]},
]
NO_JSON = ["", "{", "nul", "[" * 100_000, '{"users": [NaN]}', b"\xff", b"\0", '{"users": ["x"]} x']


def is_refused(reply):
    """Return whether the request was refused as invalid, in the services' shape."""
    return (reply.status, reply.json.keys()) == (400, {"error", "error_description"}) and (
        reply.json["error"] == "invalid_request"
    )


@pytest.mark.only("zap")
@pytest.mark.parametrize(
    ("path", "bodies"), [("/push/check", [*BAD_CHECKS, *NO_JSON]), ("/push/gone", [*BAD_REPORTS, *NO_JSON])]
)
def test_bad_input_is_refused_and_changes_nothing(sender, ann, subtests, path, bodies):
    for body in bodies:
        with subtests.test(body=repr(body)[:60]):
            raw = body if isinstance(body, bytes) or body in NO_JSON else json.dumps(body)
            assert is_refused(sender.post(path, raw)), sender.post(path, raw)
    assert sender.allowed(deviceTokens=["anns"]) == {"anns": ann.user_id}
    assert told() == []


def test_a_bad_query_is_refused(sender, subtests):
    for query in ("", "user=", "user=%00", "user=" + "x" * 25, "user=x&after=-1", "user=x&after=x", "user=x&after=1e9"):
        with subtests.test(query=query):
            assert is_refused(sender.send("GET", f"/push/tokens?{query}", headers=sender.headers))
    too_far = f"user=x&after={2**63}"
    assert is_refused(sender.send("GET", f"/push/tokens?{too_far}", headers=sender.headers))


def test_other_methods_content_types_and_paths_are_refused(sender):
    for method, path in (
        ("GET", "/push/check"),
        ("GET", "/push/gone"),
        ("POST", "/push/tokens"),
        ("PUT", "/push/check"),
    ):
        assert sender.send(method, path, headers=sender.headers).status == 405
    form = sender.headers | {"Content-Type": "application/x-www-form-urlencoded"}
    assert is_refused(sender.send("POST", "/push/check", headers=form, content="users=x"))
    assert sender.send("POST", "/push/unknown", headers=sender.headers).status == 404


def test_one_request_takes_500_values_with_device_tokens_of_the_usual_length(sender):
    asked = [{"deviceToken": f"{SEED_DEVICE_TOKEN}{number:03}", "user": "f" * 24} for number in range(MOST)]
    assert len(sender.verdicts(deviceTokens=asked)) == MOST


@pytest.mark.parametrize(("users", "most"), [(1, 100), (50, 100), (51, 98), (MOST, 10)])
def test_many_users_have_fewer_device_tokens_each_so_that_an_answer_stays_small(users, most):
    assert most_of_each(users) == most
    assert users * most <= MOST_OF_USERS
