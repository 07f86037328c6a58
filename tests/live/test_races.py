"""Races between requests, over a real server on several connections."""

import json
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier

import pytest

from sessions.models import Session
from sessions.tokens.jwt import RefreshToken
from tests.phones import PASSWORD, Live, device_token
from tests.servers import running_server
from users.models import App, DeviceToken, User

ROUNDS = 200


def at_once(*calls):
    """Start all calls at the same moment. Returns their answers in order."""
    barrier = Barrier(len(calls))

    def run(call):
        barrier.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def phone_on(kind, server, **options):
    return kind(Live(server.base_url), **options)


def test_twenty_logouts_at_once_end_the_session_once(phone_kind, server):
    for _ in range(5):
        phone = phone_on(phone_kind, server, device_token="phone").sign_up()
        answers = at_once(*[phone.log_out] * 20)
        assert sorted(answer.status for answer in answers) == [200] + [401] * 19
        ended = Session.objects.get(user_id=phone.user_id)
        # The record has the winner's values. No other request overwrote them.
        winner = next(answer for answer in answers if answer.status == 200)
        assert ended.ended_request_id == winner.headers["x-request-id"]


@pytest.mark.only("buddy")
def test_of_logouts_at_once_only_the_winner_gets_an_app_level_token(phone_kind, server):
    phone = phone_on(phone_kind, server).sign_up()
    at_once(*[phone.log_out] * 20)
    # The app-level sessions of the registration and of the logout.
    assert Session.objects.filter(user=None).count() == 2


@pytest.fixture(scope="module")
def rotating_server(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock(), running_server(ROTATE_REFRESH_TOKENS="on") as started:
        yield started


@pytest.mark.only("zap")
@pytest.mark.parametrize("rotation", [False, True], ids=["", "rotating"])
def test_a_refresh_that_races_a_logout_never_wins(phone_kind, rotation, request, server):
    if rotation:
        server = request.getfixturevalue("rotating_server")
    owner = phone_on(phone_kind, server).sign_up()
    refreshed = 0
    for _ in range(ROUNDS):
        phone = phone_on(phone_kind, server)
        assert phone.log_in(owner.username).status == 200
        logout, refresh = at_once(phone.log_out, phone.refresh)
        assert logout.status == 200
        assert refresh.status in (200, 401)
        assert phone.refresh().status == 401
        if refresh.status == 200:
            refreshed += 1
            assert phone.me(refresh.json["data"]["token"]).status == 401
            if rotation:
                phone.refresh_token = refresh.json["data"]["refreshToken"]
                assert phone.refresh().status == 401
    # Both orders have happened; otherwise there was no race.
    assert 0 < refreshed < ROUNDS


def test_a_login_that_races_a_logout_never_leaves_the_token_with_the_one_who_left(phone_kind, server):
    anna = phone_on(phone_kind, server, device_token="shared").sign_up()
    ben = phone_on(phone_kind, server, device_token="shared").sign_up()
    for _ in range(20):
        assert anna.log_in(anna.username).status == 200
        logout, login = at_once(anna.log_out, lambda: ben.log_in(ben.username))
        assert (logout.status, login.status) == (200, 200)
        assert device_token("shared").user_id == ben.user_id
        assert ben.me().status == 200
        ben.log_out()


@pytest.mark.only("buddy")
def test_a_push_address_that_arrives_during_the_logout_does_not_bring_the_pushes_back(phone_kind, server):
    phone = phone_on(phone_kind, server, device_token="old").sign_up()
    phone.log_out()
    for number in range(30):
        assert phone.log_in(phone.username).status == 200
        change_device = partial(
            *(phone.call, "PATCH", "/devices/current", {"pushToken": f"new {number}"}), token=phone.access_token
        )
        logout, change = at_once(phone.log_out, change_device)
        assert logout.status == 200
        assert change.status in (200, 401)
        assert not DeviceToken.objects.filter(user_id=phone.user_id).exists()


@pytest.mark.only("buddy")
@pytest.mark.parametrize("other", ["log out", "log in"])
def test_a_device_that_registers_again_and_what_its_user_does_get_along(phone_kind, server, other):
    phone = phone_on(phone_kind, server, device_token="push").sign_up()
    again = phone_on(
        *(phone_kind, server),
        device_token="push",
        unique_id=phone.unique_id,
        app_id=phone.app_id,
        app_key=phone.app_key,
    )
    for _ in range(40):
        assert phone.log_in(phone.username).status == 200
        call = phone.log_out if other == "log out" else partial(phone.log_in, phone.username)
        registered, done = at_once(again.register_device, call)
        assert (registered.status, done.status) == (201, 200)


@pytest.mark.only("buddy")
def test_logins_at_once_on_one_device_leave_one_user_there(phone_kind, server):
    phone = phone_on(phone_kind, server, device_token="push").sign_up()
    for _ in range(10):
        answers = at_once(*[partial(phone.log_in, phone.username)] * 8)
        assert [answer.status for answer in answers] == [200] * 8
        assert Session.objects.filter(ended_at=None).exclude(user=None).count() == 1
        assert DeviceToken.objects.get().user_id == phone.user_id


@pytest.mark.only("zap")
def test_a_refresh_that_is_sent_twice_at_once_gets_one_successor_and_ends_nothing(phone_kind, rotating_server, server):
    phone = phone_on(phone_kind, rotating_server).sign_up()
    for _ in range(50):
        answers = at_once(*[phone.refresh] * 4)
        assert [answer.status for answer in answers] == [200] * 4
        successors = [RefreshToken.read(answer.json["data"]["refreshToken"]) for answer in answers]
        assert len({token["jti"] for token in successors}) == 1
        phone.refresh_token = answers[-1].json["data"]["refreshToken"]
    assert phone.me(answers[0].json["data"]["token"]).status == 200
    assert Session.objects.get().ended_at is None


def test_logins_at_once_keep_to_the_limit(phone_kind, server):
    owner = phone_on(phone_kind, server).sign_up()
    App.objects.update(sessions_per_user=3)
    app = {"app_id": owner.app_id, "app_key": owner.app_key} if owner.dialect == "buddy" else {}
    phones = [phone_on(phone_kind, server, **app) for _ in range(10)]
    for _ in range(3):
        answers = at_once(*[partial(phone.log_in, owner.username) for phone in phones])
        assert [answer.status for answer in answers] == [200] * 10
        assert Session.objects.filter(user=owner.user_id, ended_at=None).count() == 3
        assert sum(phone.me().status == 200 for phone in phones) == 3


def guesser(phone):
    """Return a function that logs the phone's user in with a password, at any server."""
    path, name = {"zap": ("/v1/login", "identity"), "buddy": ("/users/login", "username")}[phone.dialect]
    headers = {"Content-Type": "application/json"}
    if phone.dialect == "buddy":
        headers["Authorization"] = f"Buddy {phone.app_token}"

    def guess(server, password):
        content = json.dumps({name: phone.username, "password": password})
        return Live(server.base_url)("POST", path, headers=headers, content=content)

    return guess


def statuses_of_a_hundred(guess, server):
    with ThreadPoolExecutor(20) as pool:
        return [answer.status for answer in pool.map(partial(guess, server), ["wrong-pass-1"] * 100)]


@pytest.mark.parametrize(("is_known", "guesses"), [(False, 10), (True, 20)], ids=["a stranger", "a known place"])
def test_a_hundred_wrong_passwords_at_once_are_so_many_guesses_on_all_workers_and_servers(
    phone_kind, server, rotating_server, is_known, guesses
):
    phone = phone_on(phone_kind, server)
    if is_known:
        phone.sign_up()
    else:
        phone.username = User.objects.create_user("ann_lee", PASSWORD).username
        phone.dialect == "buddy" and phone.register_device()
    guess = guesser(phone)
    statuses = statuses_of_a_hundred(guess, server)
    assert (statuses.count(401), statuses.count(429)) == (guesses, 100 - guesses)
    answer = guess(rotating_server, PASSWORD)  # no process of this server has seen a guess
    assert answer.status == 429
    assert 0 < int(answer.headers["retry-after"]) <= 900


@pytest.mark.only("zap")
def test_guesses_count_after_a_restart(phone_kind, server):
    phone = phone_on(phone_kind, server).sign_up()
    guess = guesser(phone)
    assert 429 in statuses_of_a_hundred(guess, server)
    with running_server(WORKERS="1") as restarted:
        assert guess(restarted, PASSWORD).status == 429
