"""docs/nginx.conf in a real nginx, in front of a real server."""

import json
from contextlib import suppress

import pytest

from sessions.models import Session
from tests.bad_input.dialects import DIALECTS
from tests.listeners import new_service
from tests.live.proxy import HOST, connect, running_nginx
from tests.live.test_bad_input import credentials, login
from tests.phones import Live, reply_on
from tests.servers import running_server


@pytest.fixture(scope="module")
def nginx(django_db_setup, django_db_blocker, tmp_path_factory):
    """The port of an nginx with our configuration, except for addresses, files and the time to send a body."""
    with django_db_blocker.unblock(), running_server(TRUSTED_PROXIES="1", ALLOWED_HOSTS=HOST, WORKERS="1") as server:
        changes = {
            "127.0.0.1:8000;": f"{server.base_url.removeprefix('http://')};",
            "client_body_timeout 10s": "client_body_timeout 1s",
        }
        with running_nginx(tmp_path_factory.mktemp("nginx"), changes) as port:
            yield port


class ThroughNginx(Live):
    """Like `Live`, but over HTTPS."""

    def __init__(self, port):
        self.port = port

    def __call__(self, method, path, *, headers=None, content=None):
        content = content.encode() if isinstance(content, str) else content or b""
        given = {"Host": "auth.example.org", "Content-Length": len(content)} | (headers or {})
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in given.items()), "", ""]
        with connect(self.port) as connection:
            connection.sendall("\r\n".join(lines).encode() + content)
            return reply_on(connection)


@pytest.fixture
def phone(phone_kind, nginx, transactional_db):
    return phone_kind(ThroughNginx(nginx), device_token="mine").sign_up()


def named(head):
    return head.replace(b"Host: 127.0.0.1", b"Host: auth.example.org")


def test_a_phone_logs_in_and_out_through_nginx_and_what_it_forwards_itself_does_not_count(phone):
    forged = {"X-Forwarded-For": "203.0.113.66", "X_Forwarded_For": "203.0.113.67", "X-Forwarded-Proto": "http"}
    path, name = {"zap": ("/v1/login", "identity"), "buddy": ("/users/login", "username")}[phone.dialect]
    headers = forged | {"Content-Type": "application/json", "Authorization": f"Buddy {getattr(phone, 'app_token', '')}"}
    given = json.loads(credentials(phone))
    body = json.dumps({name: given[name], "password": given["password"]})
    assert phone.send("POST", path, headers=headers, content=body).status == 200
    assert set(Session.objects.values_list("ip", flat=True)) == {"127.0.0.1"}
    phone.log_out()
    assert phone.me().status == 401


@pytest.mark.only("zap")
def test_the_service_believes_nginx_that_it_was_called_by_https(phone):
    # An answer without HTTPS has no HSTS header.
    assert phone.send("GET", "/admin/login/").status == 200
    assert phone.send("GET", "/admin/login/", headers={"X-Forwarded-Proto": "http"}).status == 200


def test_a_body_that_stalls_does_not_reach_the_service(phone, nginx):
    with connect(nginx) as connection:
        connection.sendall(named(login(phone, "Content-Length: 100")) + b"{")
        # nginx closes the connection or answers by itself. The service would answer in the dialect.
        assert b"x-request-id" not in connection.recv(4096).lower()


def test_a_body_over_the_limit_is_refused_in_the_dialect_up_to_a_megabyte_and_by_nginx_beyond(phone, nginx):
    dialect, whole = DIALECTS[phone.dialect], credentials(phone)
    for length in (130_000, 200_000, 1_000_000, 1_100_000):
        with connect(nginx) as connection:
            with suppress(OSError):
                connection.sendall(named(login(phone, f"Content-Length: {length}")) + whole.ljust(length))
            reply = reply_on(connection)
        if length == 130_000:
            dialect.success(reply)
        elif length < 1_048_576:
            assert dialect.error(reply) == dialect.too_large
        else:
            assert reply.status == 413


@pytest.mark.only("zap")
def test_events_come_through_nginx_at_once(phone, nginx):
    service = new_service()
    head = f"GET /events HTTP/1.1\r\nHost: auth.example.org\r\nAuthorization: {service.authorization}\r\n\r\n"
    with connect(nginx) as connection:
        connection.sendall(head.encode())
        read_until(connection, b"event: ready")
        phone.log_out()
        read_until(connection, b"event: session-ended")


def read_until(connection, text):
    came = b""
    while text not in came:
        part = connection.recv(4096)
        assert part, came
        came += part
