"""Clients that stall in the middle of a request. The server drops them, and no other request waits for them."""

import json
import signal
from contextlib import ExitStack, closing, suppress

import pytest

from tests.bad_input.dialects import DIALECTS
from tests.live.test_bad_input import answer, chunked, connect, credentials, login
from tests.phones import PASSWORD, Live, reply_on
from tests.project.test_serve import run
from tests.servers import running_server

THREADS = 2
TOO_LATE = {"zap": (408, "request_timeout"), "buddy": (400, "ParameterIncorrectFormat")}


@pytest.fixture(scope="module")
def server(django_db_setup, django_db_blocker):
    with (
        django_db_blocker.unblock(),
        running_server(WORKERS="1", THREADS=str(THREADS), REQUEST_TIMEOUT="2") as started,
    ):
        yield started


@pytest.fixture
def phone(phone_kind, server, transactional_db):
    return phone_kind(Live(server.base_url), device_token="mine").sign_up()


@pytest.fixture
def stalled():
    with ExitStack() as stack:

        def stall(server, data):
            connection = stack.enter_context(closing(connect(server)))
            connection.sendall(data)
            return connection

        yield stall


def test_a_body_that_does_not_arrive_in_time_is_refused_and_its_connection_closed(phone, server, stalled):
    connection = stalled(server, login(phone, "Content-Length: 100") + b"{")
    assert DIALECTS[phone.dialect].error(reply_on(connection)) == TOO_LATE[phone.dialect]
    assert connection.recv(1) == b""


def test_more_stalled_bodies_than_threads_hold_nobody_up(phone, server, stalled):
    connections = [stalled(server, login(phone, "Content-Length: 100") + b"{") for _ in range(20 * THREADS)]
    for _ in range(3):
        assert phone.me().status == 200
    assert {reply_on(each).status for each in connections} == {TOO_LATE[phone.dialect][0]}


@pytest.mark.only("zap")
@pytest.mark.parametrize("start", [b"", b"P", b"PRI * HTTP/2.0\r\n\r\n", b"GET /service/ping HTTP/1.1\r\nX-Stalled: "])
def test_headers_that_do_not_arrive_in_time_end_the_connection(phone, server, stalled, start):
    connection = stalled(server, start)
    with suppress(ConnectionResetError):
        assert b" 200 " not in connection.recv(4096)


def test_a_body_that_arrives_byte_by_byte_is_served(phone, server, stalled):
    whole = credentials(phone)
    for head, pieces in (
        (f"Content-Length: {len(whole)}", [bytes([byte]) for byte in whole]),
        ("Transfer-Encoding: chunked", [bytes([byte]) for byte in chunked(whole)]),
    ):
        connection = stalled(server, login(phone, head))
        for piece in pieces:
            connection.sendall(piece)
        assert reply_on(connection).status == 200


@pytest.mark.parametrize("how", ["stalls", "hangs up", "hangs up in chunks"])
def test_half_a_logout_logs_nobody_out(phone, server, how):
    # Neither request needs a body: one has none, the other one is from a client that sends a form.
    body = json.dumps({"deviceToken": "mine", "password": PASSWORD}).encode()
    line = {"zap": f"GET /v1/users/logout/{phone.user_id}", "buddy": "POST /users/me/logout"}[phone.dialect]
    framing = "Transfer-Encoding: chunked" if "chunks" in how else f"Content-Length: {len(body) + 1}"
    sent = chunked(body).removesuffix(b"0\r\n\r\n") if "chunks" in how else body
    head = [f"{line} HTTP/1.1", "Host: 127.0.0.1", "Content-Type: application/json", framing]
    head += [f"Authorization: {phone.scheme} {phone.access_token}", "", ""]
    reply = answer(server, "\r\n".join(head).encode() + sent, hang_up=how != "stalls")
    assert reply is None or DIALECTS[phone.dialect].error(reply)[0] in (400, 408)
    assert phone.me().status == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_server_that_stops_does_not_wait_for_clients_that_stall(transactional_db, stalled, number):
    with running_server(REQUEST_TIMEOUT="600") as server:
        for start in (b"", b"GET /", b"POST /v1/login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\n{"):
            for _ in range(10):
                stalled(server, start)
        server.process.send_signal(number)
        assert server.process.wait(60) == 0
        assert "Killing" not in server.log.read_text()


@pytest.mark.parametrize(("files", "connections"), [(600, 344), (5000, 1024)])
def test_a_worker_takes_no_more_connections_than_the_system_allows_it_files(tmp_path, files, connections):
    lines = (
        "import resource as r",
        f"r.setrlimit(r.RLIMIT_NOFILE, (300, {files}))",
        "from zapauth.server.worker import _connections",
        "print(_connections())",
    )
    shown = run("-c", "; ".join(lines), data=tmp_path, DJANGO_SETTINGS_MODULE="zapauth.settings")
    assert shown.stdout.strip() == str(connections), shown.stderr
