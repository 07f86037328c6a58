"""The client address of a request at a real server."""

import json
import socket
from contextlib import closing
from http.client import HTTPResponse

import pytest

from sessions.models import Session
from tests.phones import PASSWORD, Live
from tests.servers import running_server
from users.models import User


@pytest.fixture(scope="module")
def both_families(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock(), running_server(HOST="::", WORKERS="1") as started:
        yield started


def test_a_server_on_all_addresses_knows_an_ipv4_client_by_its_ipv4_address(
    phone_kind, both_families, transactional_db
):
    phone = phone_kind(Live(both_families.base_url)).sign_up()
    phone.log_in(phone.username)
    assert set(Session.objects.values_list("ip", flat=True)) == {"127.0.0.1"}
    assert User.objects.get(pk=phone.user_id).ip_addresses == ["127.0.0.1"]


@pytest.fixture(scope="module")
def behind_a_proxy(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock(), running_server(TRUSTED_PROXIES="1", WORKERS="1") as started:
        yield started


def login_from(phone, *forwarded):
    """Log in with these headers, in this order, and return the recorded address."""
    path, name = {"zap": ("/v1/login", "identity"), "buddy": ("/users/login", "username")}[phone.dialect]
    body = json.dumps({name: phone.username, "password": PASSWORD}).encode()
    host = phone.send.address
    lines = [f"POST {path} HTTP/1.1", f"Host: {host}", "Connection: close", "Content-Type: application/json"]
    lines += [f"Content-Length: {len(body)}", *forwarded]
    if phone.dialect == "buddy":
        lines.append(f"Authorization: Buddy {phone.app_token}")
    name, port = host.split(":")
    with closing(socket.create_connection((name, int(port)), timeout=30)) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode() + body)
        response = HTTPResponse(connection)
        response.begin()
        assert response.status == 200, response.read()
    return User.objects.get(pk=phone.user_id).ip_addresses[0]


PROXYS, CLIENTS = "X-Forwarded-For: 192.0.2.1", "X_Forwarded_For: 203.0.113.66"


@pytest.mark.parametrize(
    ("headers", "address"),
    [
        ([PROXYS], "192.0.2.1"),
        ([PROXYS, CLIENTS], "192.0.2.1"),
        ([CLIENTS, PROXYS], "192.0.2.1"),
        ([CLIENTS], "127.0.0.1"),
        (["X-Forwarded_For: 203.0.113.66", PROXYS, "x_forwarded-for: 203.0.113.66"], "192.0.2.1"),
        (["X-Forwarded-For: 203.0.113.66", PROXYS], "192.0.2.1"),
        (["X-Forwarded-For: ::ffff:192.0.2.1", CLIENTS], "192.0.2.1"),
    ],
)
def test_a_forwarding_header_with_an_underscore_never_counts(
    phone_kind, behind_a_proxy, transactional_db, headers, address
):
    phone = phone_kind(Live(behind_a_proxy.base_url)).sign_up()
    assert login_from(phone, *headers) == address


def test_no_other_header_with_an_underscore_counts_either(behind_a_proxy, transactional_db):
    given = "9c1be948-e415-4917-8a54-76b07880b42b"
    send = Live(behind_a_proxy.base_url)
    for path in ("/v1/users/token", "/service/ping"):
        assert send("GET", path, headers={"X-Request-ID": given}).headers["x-request-id"] == given
        assert send("GET", path, headers={"X_Request_ID": given}).headers["x-request-id"] != given
    with running_server(TRUSTED_PROXIES="1", HTTPS="on", WORKERS="1") as server:
        send = Live(server.base_url)
        # This header states that the call used HTTPS. Without it the server redirects to HTTPS.
        assert send("GET", "/admin/login/", headers={"X-Forwarded-Proto": "https"}).status == 200
        assert send("GET", "/admin/login/", headers={"X_Forwarded_Proto": "https"}).status == 301
        both = {"X-Forwarded-Proto": "http", "X_Forwarded_Proto": "https"}
        assert send("GET", "/admin/login/", headers=both).status == 301
