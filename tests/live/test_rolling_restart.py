"""Two servers behind nginx stop and start one after the other, while clients go on. No request is lost."""

import json
import signal
import socket
import threading
import time
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPException, HTTPSConnection

import pytest
from django.db import transaction

from tests.listeners import new_service
from tests.live.proxy import HOST, running_nginx, unchecked
from tests.locks import is_waited_for
from tests.log_secrets import WATCH
from tests.phones import Live, ZapPhone, reply_of
from tests.servers import free_port, running_server
from tests.waiting import wait_until
from users.models import User

DRAIN = 2  # seconds; the test's nginx keeps idle connections for one
SECONDS = 30.0


class Kept:
    """Calls the servers through nginx on a kept connection. Notes every request that is not answered 200."""

    def __init__(self, port, lost):
        self.connection = HTTPSConnection("127.0.0.1", port, timeout=20, context=unchecked())
        self.lost, self.count = lost, 0

    def __call__(self, method, path, *, headers=None, content=None):
        WATCH.remember_request(headers or {}, content)
        self.count += 1
        began = time.monotonic()
        try:
            self.connection.request(method, path, content, (headers or {}) | {"Host": HOST})
            reply = reply_of(self.connection.getresponse())
        except (OSError, HTTPException) as error:
            self.lost.append((began, method, path, repr(error)))
            raise
        if reply.status not in (200, 201):
            self.lost.append((began, method, path, reply.status))
        return reply


class Clients:
    """Clients that go on until `stop`: they read, refresh, send bodies, log in and out, and listen."""

    def __init__(self, port, service):
        self.port, self.service = port, service
        self.lost, self.ended, self.heard, self.streams = [], [], [], []
        self._phones = [ZapPhone(Kept(port, self.lost), device_token=f"phone {n}").sign_up() for n in range(7)]
        self._stopped = threading.Event()
        self._stream = None
        works = [self._read] * 3 + [self._refresh] * 2 + [self._log_in_and_out] * 2
        works = zip(works, self._phones, strict=True)
        self._threads = [threading.Thread(target=self._go_on, args=each) for each in works]
        self._threads.append(threading.Thread(target=self._listen))

    @property
    def count(self):
        return sum(phone.send.count for phone in self._phones)

    def start(self):
        self._threads[-1].start()
        wait_until(lambda: "ready" in [name for name, _ in self.heard])  # nobody is told of what ended before
        for thread in self._threads[:-1]:
            thread.start()

    def stop(self):
        self._stopped.set()
        for thread in self._threads[:-1]:
            thread.join(60)
        wait_until(lambda: set(self.ended) <= self.told(), seconds=20)
        self._stream.shutdown(socket.SHUT_RDWR)  # wakes the thread
        self._threads[-1].join(60)

    def told(self):
        """Return the sessions of whose end the service was told."""
        single = {data["session"] for name, data in list(self.heard) if name == "session-ended"}
        many = [data["sessions"] for name, data in list(self.heard) if name == "sessions-ended"]
        return single | {each["session"] for sessions in many for each in sessions}

    def _go_on(self, work, phone):
        while not self._stopped.is_set():
            try:
                work(phone)
            except (OSError, HTTPException):
                phone.send.connection.close()
            self._stopped.wait(0.05)  # other tests need the processors, too

    def _read(self, phone):
        phone.me()

    def _refresh(self, phone):
        phone.refresh()

    def _log_in_and_out(self, phone):
        phone.log_in(phone.username)
        session = claim(phone.access_token, "sid")
        if phone.log_out().status == 200:
            self.ended.append(session)

    def _listen(self):
        last_id = ""
        while not self._stopped.is_set():
            last_id = self._listen_once(last_id)

    def _listen_once(self, last_id):
        headers = {"Host": HOST, "Authorization": self.service.authorization}
        headers |= {"Last-Event-ID": last_id} if last_id else {}
        with closing(HTTPSConnection("127.0.0.1", self.port, timeout=60, context=unchecked())) as link:
            try:
                link.request("GET", "/events", headers=headers)
                self._stream = link.sock
                answer, event = link.getresponse(), {}
                self.streams.append(answer.status)
                while line := answer.readline():
                    field, _, value = line.decode().strip().partition(": ")
                    event[field] = value
                    if not line.strip():  # only now is the event whole: a stream may be cut anywhere
                        if "data" in event:
                            self.heard.append((event.get("event"), json.loads(event["data"])))
                        last_id, event = event.get("id", last_id), {}
            except (OSError, ValueError, HTTPException, AttributeError) as error:
                if not self._stopped.is_set():
                    self.lost.append((time.monotonic(), "GET", "/events", repr(error)))
        return last_id


def claim(token, name):
    import jwt

    return jwt.decode(token, options={"verify_signature": False})[name]


class Fleet:
    """Two servers behind nginx, each on a port of its own."""

    def __init__(self, stack):
        self.ports = [free_port(), free_port()]
        self._stack, self._servers = stack, {}

    def start(self, port):
        settings = {"TRUSTED_PROXIES": "1", "ALLOWED_HOSTS": f"{HOST},127.0.0.1", "DRAIN_TIME": str(DRAIN)}
        stack = self._stack.enter_context(ExitStack())
        self._servers[port] = stack, stack.enter_context(running_server(PORT=str(port), **settings))

    def stop(self, port):
        """Stop the server by SIGTERM, while it answers a request that takes longer than everything else."""
        stack, server = self._servers.pop(port)
        with slow_log_in(port) as answers:
            server.process.send_signal(signal.SIGTERM)
            wait_until(lambda: Live(server.base_url)("GET", "/readyz").status == 503, seconds=DRAIN)
            reply = Live(server.base_url)("GET", "/service/ping")
            assert (reply.status, reply.headers["connection"]) == (200, "close")
            time.sleep(DRAIN + 0.5)  # now it takes no new connections any more
        assert [reply.status for reply in answers] == [200]
        assert server.process.wait(60) == 0
        assert "Killing" not in server.log.read_text()
        stack.close()


@contextmanager
def slow_log_in(port):
    """Let a log-in at that server wait for the user's row during the block. Yields a list for its answer."""
    phone, answers = ZapPhone(Live(f"http://127.0.0.1:{port}")).sign_up(), []
    thread = threading.Thread(target=lambda: answers.append(phone.log_in(phone.username)))
    with transaction.atomic():
        User.objects.select_for_update().get(username=phone.username)
        thread.start()
        wait_until(is_waited_for, seconds=20)
        yield answers
    thread.join(20)


@pytest.fixture
def fleet(transactional_db):
    with ExitStack() as stack:
        made = Fleet(stack)
        for port in made.ports:
            made.start(port)
        yield made


@pytest.fixture
def proxy(fleet, tmp_path):
    """The port of the nginx in front of the servers."""
    changes = {
        "server 127.0.0.1:8000;": " ".join(f"server 127.0.0.1:{port} fail_timeout=1s;" for port in fleet.ports),
        "keepalive_timeout 5s": "keepalive_timeout 1s",
    }
    with running_nginx(tmp_path, changes) as port:
        yield port


def test_a_rolling_restart_under_load_loses_no_request_and_no_event(fleet, proxy):
    began = time.monotonic()
    clients = Clients(proxy, new_service())
    clients.start()
    for port in fleet.ports:
        time.sleep(2)  # the other server has begun to get requests
        fleet.stop(port)
        fleet.start(port)
    time.sleep(max(1.0, began + SECONDS - time.monotonic()))
    clients.stop()
    assert clients.lost == []
    assert set(clients.ended) <= clients.told()
    assert "reset" not in [name for name, _ in clients.heard]
    assert set(clients.streams) == {200}
    assert len(clients.streams) >= 2


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_the_wait_of_a_server_that_stops(transactional_db, first):
    with running_server(DRAIN_TIME="600") as server:
        server.process.send_signal(first)
        if first == signal.SIGTERM:
            wait_until(lambda: Live(server.base_url)("GET", "/readyz").status == 503)
            server.process.send_signal(signal.SIGINT)
        assert server.process.wait(60) == 0
        assert "Killing" not in server.log.read_text()
