"""Each gateway from deploy/, before a service and a real server: who passes, and what the service and the gate get."""

import itertools
import json
import re
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from http.client import HTTPConnection

import pytest

from bench.zapauth_logins import mint_zap
from tests.gateways.clients import ask, ask_raw, value_of
from tests.phones import BuddyPhone, Live, reply_of

ROUNDS = 1000
KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # of RFC 6455
CLIENTS = 4  # each with connections of its own
NAMES = ["X-User-Id", "X-Session-Id", "X-App-Id", "X-Role-Id", "Remote-User"]


# --- who passes -----------------------------------------------------------------------------------


class Client:
    """One of the clients of the race: a connection to the gateway, and several to the server's workers."""

    def __init__(self, gateway, server, stack):
        self._line = stack.enter_context(closing(HTTPConnection("127.0.0.1", gateway.port, timeout=30)))
        address = server.base_url.removeprefix("http://")
        doors = [stack.enter_context(closing(HTTPConnection(address, timeout=30))) for _ in range(4)]
        self._doors = itertools.cycle(doors)

    def log_in_pass_log_out_and_ask_again(self, login):
        """Return the user that the service saw, the status of the logout, and the status of the request after it."""
        passed = ask(self._line, login["access"])
        door = next(self._doors)
        headers = {"Authorization": f"Bearer {login['access']}", "Content-Type": "application/json"}
        body = json.dumps({"deviceToken": login["device_token"]})
        door.request("PUT", f"/v1/users/logout/{login['user_id']}", body=body, headers=headers)
        ended = reply_of(door.getresponse()).status
        seen = value_of(passed, "X-User-Id") if passed.status == 200 else passed
        return seen, ended, ask(self._line, login["access"]).status


def test_the_first_request_after_the_answer_to_a_logout_is_refused_a_thousand_times(gateway, server):
    logins = list(mint_zap(ROUNDS))
    with ExitStack() as stack, ThreadPoolExecutor(CLIENTS) as pool:
        clients = [Client(gateway, server, stack) for _ in range(CLIENTS)]

        def work(number):
            mine = logins[number::CLIENTS]
            return [(login, clients[number].log_in_pass_log_out_and_ask_again(login)) for login in mine]

        for rounds in pool.map(work, range(CLIENTS)):
            for login, said in rounds:
                assert said == (login["user_id"], 200, 401)
    assert gateway.service.requests == ROUNDS
    # Connections to the gate are kept: there were twice as many questions as rounds.
    assert gateway.relay.connections < ROUNDS / 2


def test_without_a_live_users_token_nothing_passes_and_the_client_learns_why(gateway, line, phone, server):
    buddy = BuddyPhone(Live(server.base_url))
    buddy.register_device()
    assert ask(line, phone.access_token).status == 200
    for given, status, error in (
        (None, 401, None),
        ("x.y.z", 401, "invalid_token"),
        ("x" * 6000, 401, "invalid_token"),
        (phone.refresh_token, 401, "invalid_token"),
        (buddy.app_token, 403, "insufficient_scope"),
    ):
        reply = ask(line, given)
        assert reply.status == status, reply
        if status == 401 or gateway.name != "nginx":  # nginx passes no challenge on with 403
            challenge = reply.headers["www-authenticate"]
            assert challenge.startswith('Bearer realm="zapauth"')
            assert re.findall(r'error="(\w+)"', challenge) == ([error] if error else [])
    assert gateway.service.requests == 1


def test_both_schemes_pass(gateway, line, phone):
    assert ask(line, Authorization=f"Buddy {phone.access_token}").status == 200


# --- what the service gets ------------------------------------------------------------------------


REQUESTS = {
    "a form": ("POST", "/form", b"a=b&c=d", {"Content-Type": "application/x-www-form-urlencoded"}),
    "an upload of a megabyte": ("PUT", "/files/1", b"x" * 1_000_000, {}),
    "an upload in chunks": ("POST", "/files", [b"x" * 10_000] * 10, {"Transfer-Encoding": "chunked"}),
    "a change": ("PATCH", "/a", b"{}", {}),
    "a deletion": ("DELETE", "/a/1", None, {}),
    "a question about options": ("OPTIONS", "/a", None, {"Origin": "https://example.org"}),
    "another method": ("PROPFIND", "/a", None, {}),
    "a path with a prefix": ("GET", "/verify/x", None, {}),
    "an encoded slash": ("GET", "/a%2Fb%3Fc/d", None, {}),
    "a query": ("GET", "/a?app=000000000000000000000000&level=app&role=x&y=%2F", None, {}),
    "a long path": ("GET", "/" + "a" * 4000, None, {}),
    "a foreign host": ("GET", "/a", None, {"Host": "evil.example"}),
}


@pytest.mark.parametrize("what", REQUESTS)
def test_a_request_reaches_the_service_as_it_was_sent_with_its_user(gateway, line, phone, what):
    method, path, body, headers = REQUESTS[what]
    size = len(body if isinstance(body, bytes) else b"".join(body or []))
    assert ask(line, method=method, path=path, body=body, **headers).status == 401
    line.close()  # some gateways close the connection rather than to read a body that they refuse
    reply = ask(line, phone.access_token, method=method, path=path, body=body, **headers)
    assert reply.status == 200, reply
    assert (reply.json["method"], reply.json["path"], reply.json["length"]) == (method, path, size)
    assert value_of(reply, "X-User-Id") == value_of(reply, "Remote-User") == phone.user_id
    assert value_of(reply, "Host").partition(":")[0] == headers.get("Host", "127.0.0.1")


def test_a_head_request_passes_too(gateway, line, phone):
    assert ask(line, phone.access_token, method="HEAD").status == 200
    assert ask(line, method="HEAD").status == 401


@pytest.mark.parametrize(
    "path", ["/a/../b", "/../a", "/%2e%2e/a", "//a", "/zapauth-gate", "/verify", "/verify/../a", "/a%00b", "/a;b=c"]
)
def test_no_path_leads_past_the_gate_or_to_it(gateway, phone, path):
    refused = ask_raw(gateway, f"GET {path} HTTP/1.1", "Host: api.example.org")
    assert refused.status in (401, 400, 404), refused
    assert gateway.service.requests == 0
    token = f"Authorization: Bearer {phone.access_token}"
    passed = ask_raw(gateway, f"GET {path} HTTP/1.1", "Host: api.example.org", token)
    assert passed.status in (200, 400, 404), passed
    assert "subject" not in passed.text  # an answer of the gate


FORGED = [
    *NAMES,
    *(name.lower() for name in NAMES),
    *(name.upper() for name in NAMES),
    *(name.replace("-", "_") for name in NAMES),
    *(name.replace("-", ".") for name in NAMES),
    *("X-User_Id", "X_User-Id", "x_user_id", "REMOTE_USER", "x-App_id"),
]


def test_a_clients_own_headers_never_reach_the_service_in_any_spelling(gateway, phone):
    headers = [f"{name}: forged" for name in FORGED] + [f"{NAMES[0]}: forged, twice", f"{NAMES[0]}:forged"]
    reply = ask_raw(gateway, "GET / HTTP/1.1", "Host: x", f"Authorization: Bearer {phone.access_token}", *headers)
    assert reply.status == 200, reply
    assert "forged" not in reply.text
    ours = {re.sub("[^a-z]", "-", name.lower()): value for name, value in reply.json["headers"]}
    assert ours["x-user-id"] == phone.user_id
    assert ours.get("x-role-id", "") == ""


def test_a_client_cannot_have_the_gates_headers_removed(gateway, phone):
    reply = ask_raw(
        gateway,
        "GET / HTTP/1.1",
        "Host: x",
        "Connection: keep-alive, X-User-Id, Remote-User",
        f"Authorization: Bearer {phone.access_token}",
    )
    if reply.status == 200:
        assert value_of(reply, "X-User-Id") == value_of(reply, "Remote-User") == phone.user_id
    else:
        assert reply.status == 400
        assert gateway.service.requests == 0


def test_two_tokens_in_one_request_do_not_pass_as_another_user(gateway, phone):
    first, second = f"Authorization: Bearer {phone.access_token}", "Authorization: Bearer x.y.z"
    for headers in ((first, second), (second, first)):
        reply = ask_raw(gateway, "GET / HTTP/1.1", "Host: x", *headers)
        assert reply.status in (200, 400, 401), reply
        if reply.status == 200:
            assert value_of(reply, "X-User-Id") == phone.user_id


# --- what the gate gets ---------------------------------------------------------------------------


def test_the_gate_gets_a_short_question_without_the_body_and_on_kept_connections(gateway, line, phone):
    secret = b"a-password-in-a-body" * 100
    for _ in range(20):
        path = "/path-of-the-client?app=of-the-client"
        assert ask(line, phone.access_token, method="POST", path=path, body=secret).status == 200
    asked = gateway.relay.asked
    assert b"a-password-in-a-body" not in asked
    method = b"HEAD" if gateway.name in ("nginx", "caddy") else b"GET"
    lines = set(re.findall(rb"^([A-Z]+) (\S+) HTTP/1.[01]\r$", asked, re.MULTILINE))
    assert lines == {(method, b"/verify?level=user")}
    assert not re.search(rb"(?i)^transfer-encoding:|^content-length: [1-9]", asked, re.MULTILINE)
    assert gateway.relay.connections <= 2


def test_the_gate_is_told_the_clients_own_request_and_not_what_the_client_says_about_it(gateway, phone):
    """Clients of signed apps sign method and path."""
    forged = ["X-Forwarded-Method: FORGED", "X-Forwarded-Uri: /forged", "X_Forwarded_Uri: /forged"]
    token = f"Authorization: Bearer {phone.access_token}"
    assert ask_raw(gateway, "DELETE /mine%2F?a=b HTTP/1.1", "Host: x", token, *forged).status == 200
    asked = gateway.relay.asked.lower()
    told = re.findall(rb"^x-forwarded-(?:method|uri): (.*)\r$", asked, re.MULTILINE)
    assert sorted(told) == [b"/mine%2f?a=b", b"delete"]
    assert b"forged" not in asked


def test_a_websocket_is_opened_with_a_live_token_only(gateway, phone):
    upgrade = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {KEY}"]
    head = ["GET /socket HTTP/1.1", "Host: x", *upgrade]
    assert ask_raw(gateway, *head).status == 401
    assert gateway.service.requests == 0
    with closing(socket.create_connection(("127.0.0.1", gateway.port), timeout=30)) as connection:
        connection.sendall("\r\n".join([*head, f"Authorization: Bearer {phone.access_token}", "", ""]).encode())
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += connection.recv(4096)
        assert answer.startswith(b"HTTP/1.1 101 "), answer
        assert f"x-seen-user: {phone.user_id}" in answer.decode().lower()
        connection.sendall(b"hello")
        assert connection.recv(4096) == b"hello"
