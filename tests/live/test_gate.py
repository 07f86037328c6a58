"""The gate on real servers: after the answer to a logout no worker lets the token pass, whatever came before."""

import json
from contextlib import ExitStack, closing
from http.client import HTTPConnection

import pytest

from tests.commands.terminal import manage
from tests.live.test_bad_input import answer, connect
from tests.live.test_immediacy import cpu_times, phones
from tests.phones import Live, ZapPhone, reply_on
from users.models import App, User

ROUNDS = 40
LINES = 12  # connections. The kernel gives each to a worker: all to the same one once in 2,000 times


class Gateway:
    """A gateway with open connections to all workers."""

    def __init__(self, server, stack):
        address = server.base_url.removeprefix("http://")
        self._lines = [stack.enter_context(closing(HTTPConnection(address, timeout=30))) for _ in range(LINES)]

    def ask(self, phone, path="/verify?level=user"):
        """Return the statuses of one request on each connection."""
        return [self._status(line, phone, path) for line in self._lines]

    def _status(self, line, phone, path):
        line.request("GET", path, headers={"Authorization": f"{phone.scheme} {phone.access_token}", "Host": "api.test"})
        reply = line.getresponse()
        reply.read()
        return reply.status


@pytest.fixture
def gateway(server):
    with ExitStack() as stack:
        yield Gateway(server, stack)


def test_the_first_request_after_the_answer_to_a_logout_is_refused_on_every_worker(phone_kind, server, gateway):
    before = cpu_times(server)
    logged_in = phones(phone_kind, server, ROUNDS)
    assert gateway.ask(logged_in[0]) == [200] * LINES
    for phone in logged_in:
        gateway.ask(phone)  # each worker has the token's signature in its cache
        assert phone.log_out().status == 200, phone.last
        assert gateway.ask(phone) == [401] * LINES
    spent = [after - before[pid] for pid, after in cpu_times(server).items()]
    assert min(spent) > sum(spent) / len(spent) / 4  # each worker has answered


@pytest.mark.only("zap")
def test_an_order_a_disabled_user_and_a_switched_off_app_close_the_gate_at_once(phone_kind, server, gateway):
    ann, ben, cat = phones(phone_kind, server, 3)
    assert gateway.ask(ann) == gateway.ask(ben) == gateway.ask(cat) == [200] * LINES
    User.objects.filter(pk=ann.user_id).update(is_active=False)
    assert gateway.ask(ann) == [401] * LINES
    assert gateway.ask(ben) == [200] * LINES
    App.objects.filter(name="ZAP").update(is_active=False)
    assert gateway.ask(ben) == [401] * LINES
    App.objects.filter(name="ZAP").update(is_active=True)
    assert gateway.ask(ben) == [200] * LINES
    ended = manage("logout --everyone --reason incident")
    assert ended.code == 0, ended
    assert gateway.ask(ben) == gateway.ask(cat) == [401] * LINES


# --- how a request arrives --------------------------------------------------------------------------


@pytest.fixture
def phone(server):
    return ZapPhone(Live(server.base_url)).sign_up()


def head(phone, *headers, line="POST /verify HTTP/1.1"):
    given = [line, "Host: evil.example", f"Authorization: Bearer {phone.access_token}", *headers, "", ""]
    return "\r\n".join(given).encode("latin-1")


def rest_of(connection):
    """Return everything up to the end of the connection. Fails if it stays open."""
    text = b""
    while part := connection.recv(65_536):
        text += part
    return text


def test_requests_in_a_row_are_answered_in_a_row(phone, server):
    with closing(connect(server)) as connection:
        bad = head(phone, line="GET /verify?x=1 HTTP/1.1")
        connection.sendall((head(phone) + bad) * 5)
        text = b""
        while text.count(b"HTTP/1.1 ") < 10 or not text.endswith(b"}"):
            part = connection.recv(65_536)
            assert part, text
            text += part
    assert [status[:3] for status in text.split(b"HTTP/1.1 ")[1:]] == [b"200", b"403"] * 5


BODIES = {
    "a whole one": ("Content-Length: 3", b"abc"),
    "chunks": ("Transfer-Encoding: chunked", b"3\r\nabc\r\n0\r\n\r\n"),
    "one that stalls": ("Content-Length: 100", b"abc"),
    "none of a declared one": ("Content-Length: 1000", b""),
    "chunks that stall": ("Transfer-Encoding: chunked", b"3\r\nabc\r\n"),
    "chunks that are none": ("Transfer-Encoding: chunked", b"zz\r\n"),
    "a large one": ("Content-Length: 400000", b"a" * 400_000),
    "one that is awaited": ("Content-Length: 100\r\nExpect: 100-continue", b""),
    "two lengths": ("Content-Length: 4\r\nTransfer-Encoding: chunked", b"0\r\n\r\n"),
}


@pytest.mark.parametrize("body", BODIES)
def test_a_body_is_not_waited_for_and_what_follows_it_is_no_request(phone, server, body):
    framing, sent = BODIES[body]
    follows = head(phone, line="GET /verify/smuggled HTTP/1.1")
    with closing(connect(server)) as connection:
        connection.settimeout(5)  # a request with a late body is given up after ten seconds
        connection.sendall(head(phone, framing))
        try:
            connection.sendall(sent + follows)
        except ConnectionError:
            assert len(sent) > 100_000  # the server has answered and closed
        try:
            text = rest_of(connection)
        except ConnectionResetError:
            assert len(sent) > 100_000
            return
    assert text.startswith(b"HTTP/1.1 200 "), text
    assert text.count(b"HTTP/1.1 ") == 1, text
    assert b"connection: close\r\n" in text
    assert phone.me().status == 200


def test_a_request_without_a_body_keeps_its_connection(phone, server):
    with closing(connect(server)) as connection:
        for framing in ([], ["Content-Length: 0"]):
            connection.sendall(head(phone, *framing))
            assert reply_on(connection).status == 200
        connection.sendall(head(phone, line="HEAD /verify HTTP/1.1"))
        assert b"\r\n\r\n" in connection.recv(65_536)[-4:]
        connection.sendall(head(phone, line="OPTIONS /verify HTTP/1.1"))
        assert reply_on(connection).status == 200


ODD = {
    "bytes in a header": (("X-A: \xff\xfe\x80",), "GET /verify HTTP/1.1", 200),
    "60 kB": (("X-A: " + "a" * 60_000,), "GET /verify HTTP/1.1", 200),
    "ninety headers": (tuple(f"X-{number}: a" for number in range(90)), "GET /verify HTTP/1.1", 200),
    "bad escapes": ((), "GET /verify/%ff%zz%?%ff&=%zz HTTP/1.1", 200),
    "an escaped name": ((), "GET /%76erify HTTP/1.1", 200),
    "another method": ((), "PROPFIND /verify HTTP/1.1", 200),
    "no version of ours": ((), "GET /verify HTTP/1.0", 200),
    "a second token": (("Authorization: Bearer x",), "GET /verify HTTP/1.1", 401),
    "the same token twice": (("{same}",), "GET /verify HTTP/1.1", 401),
    "an underscore": (("X_User_Id: 1",), "GET /verify HTTP/1.1", 200),
    "an upgrade": (("Connection: Upgrade", "Upgrade: websocket"), "GET /verify HTTP/1.1", 200),
    "a cookie": (("Cookie: sessionid=x",), "GET /verify HTTP/1.1", 200),
}


@pytest.mark.parametrize("what", ODD)
def test_an_odd_request_gets_one_of_the_gates_answers(phone, server, what):
    headers, line, status = ODD[what]
    headers = [header.format(same=f"Authorization: Bearer {phone.access_token}") for header in headers]
    reply = answer(server, head(phone, *headers, line=line))
    assert reply.status == status, reply
    assert reply.headers["cache-control"] == "no-store"
    json.loads(reply.text)
