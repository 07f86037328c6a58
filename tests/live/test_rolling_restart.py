"""Two servers behind nginx stop and start one after the other, while clients go on. No request is lost."""

import json
import signal
import threading
import time
from contextlib import ExitStack, closing
from http.client import HTTPException, HTTPSConnection

import pytest
from django.db import connection, transaction

from tests.listeners import new_service
from tests.live.proxy import HOST, connect, running_nginx, unchecked
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
        self._threads = [threading.Thread(target=self._go_on, args=each) for each in zip(works, self._phones, strict=True)]
        self._threads.append(threading.Thread(target=self._listen))

    @property
    def count(self):
        return sum(phone.send.count for phone in self._phones)

    def start(self):
        for thread in self._threads:
            thread.start()
        wait_until(lambda: "ready" in [name for name, _ in self.heard])

    def stop(self):
        self._stopped.set()
        for thread in self._threads[:-1]:
            thread.join(60)
        wait_until(lambda: set(self.ended) <= self.told(), seconds=20)
        self._stream.close()
        self._threads[-1].join(60)

    def told(self):
        """Return the sessions of whose end the service was told."""
        one = {data["session"] for name, data in list(self.heard) if name == "session-ended"}
        return one | {each["session"] for name, data in list(self.heard) if name == "sessions-ended" for each in data["sessions"]}

    def _go_on(self, work, phone):
        while not self._stopped.is_set():
            try:
                work(phone)
            except (OSError, HTTPException):
                phone.send.connection.close()
            self._stopped.wait(0.01)

    def _read(self, phone):
        phone.me()

    def _refresh(self, phone):
        phone.refresh()

    def _log_in_and_out(self, phone):
        phone.log_in(phone.username)
        session = claim(phone.access_token, "sid")
        phone.log_out()
        self.ended.append(session)

    def _listen(self):
        last_id = ""
        while not self._stopped.is_set():
            last_id = self._listen_once(last_id)

    def _listen_once(self, last_id):
        head = [f"GET /events HTTP/1.1\r\nHost: {HOST}", f"Authorization: {self.service.authorization}"]
        head += [f"Last-Event-ID: {last_id}"] if last_id else []
        with connect(self.port) as stream:
            self._stream = stream
            stream.sendall("\r\n".join([*head, "", ""]).encode())
            lines = stream.makefile("rb")
            self.streams.append(lines.readline())
            name = ""
            try:
                for line in lines:
                    field, _, value = line.decode().strip().partition(": ")
                    if field == "event":
                        name = value
                    elif field == "id":
                        last_id = value
                    elif field == "data":
                        self.heard.append((name, json.loads(value)))
            except (OSError, ValueError) as error:
                if not self._stopped.is_set():
                    self.lost.append((time.monotonic(), "GET", "/events", repr(error)))
        return last_id


def claim(token, name):
    import jwt

    return jwt.decode(token, options={"verify_signature": False})[name]


@pytest.fixture
def fleet(transactional_db, tmp_path):
    """The ports of two servers, functions that start and stop one, and the port of nginx in front of both."""
    ports = [free_port(), free_port()]
    servers, stacks = {}, {}

    def start(port):
        stacks[port] = ExitStack()
        settings = {"TRUSTED_PROXIES": "1", "ALLOWED_HOSTS": f"{HOST},127.0.0.1", "DRAIN_TIME": str(DRAIN)}
        servers[port] = stacks[port].enter_context(running_server(PORT=str(port), **settings))

    def stop(port):
        servers[port].process.send_signal(signal.SIGTERM)
        assert servers[port].process.wait(60) == 0
        assert "Killing" not in servers[port].log.read_text()
        stacks.pop(port).close()

    changes = {
        "server 127.0.0.1:8000;": " ".join(f"server 127.0.0.1:{port} fail_timeout=1s;" for port in ports),
        "keepalive_timeout 5s": "keepalive_timeout 1s",
    }
    try:
        for port in ports:
            start(port)
        with running_nginx(tmp_path, changes) as proxy:
            yield ports, start, stop, proxy
    finally:
        for stack in stacks.values():
            stack.close()


def test_a_rolling_restart_under_load_loses_no_request_and_no_event(fleet):
    ports, start, stop, proxy = fleet
    began = time.monotonic()
    clients = Clients(proxy, new_service())
    clients.start()
    for port in ports:
        time.sleep(2)
        count = clients.count
        stop(port)
        start(port)
        print(port, clients.count - count, time.monotonic() - began)
    time.sleep(max(1.0, began + SECONDS - time.monotonic()))
    clients.stop()
    print(clients.count, len(clients.ended), len(clients.streams), len(clients.lost))
    assert clients.lost == []
    assert set(clients.ended) <= clients.told()
    assert "reset" not in [name for name, _ in clients.heard]
    assert {line.split()[1] for line in clients.streams} == {b"200"}
    assert len(clients.streams) >= 2
