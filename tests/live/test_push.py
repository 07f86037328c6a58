"""No push for a user who has left: a real server with two workers, the sample sender, and a fake FCM.

Phones log in, log out and change hands, their apps are installed anew, and everybody is ordered out, while
senders send. All times are of one clock. Afterwards each push that FCM got is compared with what happened before.
"""

import itertools
import math
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import httpx
import pytest
from django.db import connection

from sessions.bulk.runs import start_run, sweep_run
from sessions.models import BulkRun
from sessions.selection.selection import Selection
from tests.phones import SEED_DEVICE_TOKEN, Live, ZapPhone
from tests.services.fcm import fake_fcm, load_sample
from tests.services.senders import INSTALLATION_ID, Sender
from tests.waiting import wait_until
from users.models import SecurityEvent
from users.record.events import Event

SEED = 15
PHONES = 3
ORDERS = 6  # to log everybody out
CHECKS = 15  # after each order, and after each sweep

sample = load_sample()
# Apps that don't know installation ids yet still have registration tokens.
pytestmark = pytest.mark.filterwarnings("ignore:Message.token is deprecated:DeprecationWarning")


class TimedGate(sample.PushGate):
    """Remembers when the last check of each thread began."""

    last = threading.local()

    def _check(self, asked):
        self.last.began = time.monotonic()
        return super()._check(asked)


@pytest.fixture
def gate(server):
    backend = Sender(Live(server.base_url))
    gate = TimedGate(server.base_url, backend.app.pk, backend.key)
    yield gate
    gate.close()


@pytest.fixture
def fcm(monkeypatch):
    with fake_fcm(monkeypatch) as started:
        yield started


@pytest.fixture
def sender(gate, fcm):
    return sample.PushSender(gate, fcm.app)


# --- the sample ----------------------------------------------------------------------------------


@pytest.mark.parametrize("token", [INSTALLATION_ID, SEED_DEVICE_TOKEN], ids=["installation id", "registration token"])
def test_the_sample_sends_the_user_along_and_reports_a_device_that_fcm_no_longer_knows(server, sender, fcm, token):
    phone = ZapPhone(Live(server.base_url), device_token=token).sign_up()
    assert sender.send(phone.user_id, sample.messaging.Notification("Ann", "Hello"), chat="7") == 1
    (push,) = fcm.pushes
    assert (push.device_token, push.data) == (token, {"chat": "7", "user": phone.user_id})
    assert push.message["android"] == {"ttl": "60s"}
    assert time.time() < int(push.message["apns"]["headers"]["apns-expiration"]) <= time.time() + 60
    fcm.dead.add(token)
    assert sender.send(phone.user_id, None) == 0
    assert SecurityEvent.objects.filter(event=Event.DEVICE_TOKEN_GONE, user=phone.user_id).count() == 1
    assert sender.gate.check_users([phone.user_id]).allowed == []
    assert phone.me().status == 200


def test_the_sample_sends_nothing_if_zapauth_does_not_answer(server, fcm):
    gate = sample.PushGate(server.base_url, "f" * 24, "wrong key")
    with pytest.raises(httpx.HTTPStatusError):
        sample.PushSender(gate, fcm.app).send("f" * 24, None)
    gate.close()
    assert fcm.pushes == []


# --- under load ----------------------------------------------------------------------------------


@dataclass
class Stay:
    """A user is logged in on a phone: from the request of the log-in to the answer that ends it."""

    user_id: str
    device_token: str
    asked: float  # when the log-in was sent
    answered: float
    left: float = math.inf  # when the answer to a logout, to another user's log-in or to an order came


@dataclass
class Events:
    """All stays, and when each check began, by the number of its message."""

    stays: list[Stay] = field(default_factory=list)
    checks: dict[str, float] = field(default_factory=dict)

    def wait_for_checks(self, count: int, are_over: threading.Event) -> None:
        enough = len(self.checks) + count
        wait_until(lambda: len(self.checks) >= enough or are_over.is_set())

    def leave(self, at: float, is_meant: Callable[[Stay], bool]) -> None:
        for stay in filter(is_meant, list(self.stays)):
            stay.left = min(stay.left, at)

    def allows(self, push) -> bool:
        """Return whether the user was logged in on that phone at some moment after the push's check began."""
        began = self.checks[push.data["number"]]
        return any(stay.asked < push.at and began <= stay.left for stay in self.stays_of(push))

    def stays_of(self, push) -> list[Stay]:
        return [
            stay for stay in self.stays if (stay.user_id, stay.device_token) == (push.data["user"], push.device_token)
        ]


class Owner:
    """A phone that two users share."""

    def __init__(self, number, send, users, events, fcm):
        self.choose = random.Random(SEED + number)
        self.phone = ZapPhone(send, device_token=f"phone:{number}")
        self.number, self.users, self.events, self.fcm = number, users, events, fcm

    def live(self, may_act, are_over):
        acts = self.log_in, self.log_out, self.install_anew
        while not are_over.is_set():
            may_act.wait()
            self.choose.choices(acts, (60, 37, 3))[0]()
            self.events.wait_for_checks(1, are_over)

    def log_in(self):
        """Log in as one of the two users, perhaps while the other one is logged in."""
        asked = time.monotonic()
        assert self.phone.log_in(self.choose.choice(self.users)).status == 200, self.phone.last
        answered = time.monotonic()
        mine = Stay(self.phone.user_id, self.phone.device_token, asked, answered)
        self.events.leave(answered, lambda stay: self.is_here(stay) and stay.user_id != mine.user_id)
        self.events.stays.append(mine)

    def log_out(self):
        # 401: the user has logged out already, or an order came first.
        assert self.phone.log_out().status in (200, 401), self.phone.last
        answered = time.monotonic()
        self.events.leave(answered, lambda stay: self.is_here(stay) and stay.user_id == self.phone.user_id)

    def install_anew(self):
        """Install the app anew: it gets another device token. The old one is dead, and its session stays open."""
        self.fcm.dead.add(self.phone.device_token)
        self.phone.device_token += "'"

    def is_here(self, stay):
        return stay.device_token == self.phone.device_token


def order_everybody_out(events):
    ordered = time.monotonic()
    order = start_run(Selection(everyone=True), source=BulkRun.Source.COMMAND, note="", expected=10_000)
    answered = time.monotonic()
    events.leave(answered, lambda stay: stay.answered <= ordered)  # a later log-in may have come after the order
    return order


def order_again_and_again(events, may_act, are_over):
    for number in range(ORDERS):
        if number % 2:
            may_act.clear()  # nobody comes back before the sweep
        order = order_everybody_out(events)
        events.wait_for_checks(CHECKS, are_over)
        may_act.set()
        list(sweep_run(order))
        events.wait_for_checks(CHECKS, are_over)


def send_again_and_again(sender, events, numbers, are_over, seed):
    choose = random.Random(seed)
    try:
        while not are_over.is_set():
            number, stay = str(next(numbers)), choose.choice(events.stays[-3 * PHONES :])
            if choose.random() < 0.5:
                sender.send(stay.user_id, None, number=number)
            else:
                sender.send_to([sample.Address(stay.device_token, stay.user_id)], None, number=number)
            events.checks[number] = sender.gate.last.began
    finally:
        are_over.set()  # after an error the others need not wait


def in_a_thread(pool, function, *arguments) -> Future:
    def run():
        try:
            return function(*arguments)
        finally:
            connection.close()

    return pool.submit(run)


def test_no_push_is_sent_for_a_user_who_has_left(server, sender, fcm):
    events, are_over, numbers, send = Events(), threading.Event(), itertools.count(), Live(server.base_url)
    may_act = threading.Event()
    may_act.set()
    names = [ZapPhone(send).sign_up().username for _ in range(2 * PHONES)]
    owners = [Owner(each, send, names[2 * each : 2 * each + 2], events, fcm) for each in range(PHONES)]
    for owner in owners:
        owner.log_in()
    with ThreadPoolExecutor(PHONES + 2) as pool:
        sending = [
            in_a_thread(pool, send_again_and_again, sender, events, numbers, are_over, SEED + each) for each in range(2)
        ]
        acting = [in_a_thread(pool, owner.live, may_act, are_over) for owner in owners]
        try:
            order_again_and_again(events, may_act, are_over)
        finally:
            are_over.set()
            may_act.set()
        for each in (*sending, *acting):
            each.result(60)
    assert [push for push in fcm.pushes if not events.allows(push)] == []
    # There was something to see: pushes, and checks that allowed none.
    assert len(fcm.pushes) > 20
    assert len(events.checks) - len({push.data["number"] for push in fcm.pushes}) > 20

    order_everybody_out(events)
    assert sum(sender.send(stay.user_id, None) for stay in events.stays) == 0
    for owner in owners:
        owner.log_in()
        sender.send(owner.phone.user_id, None)  # this reports a dead device token, if there is one
        assert sender.send(owner.phone.user_id, None) == 1
