"""What each gateway from deploy/ does without an answer of the gate: it passes nothing on."""

import tempfile
import time
from contextlib import closing, suppress
from http.client import HTTPConnection, RemoteDisconnected
from pathlib import Path

import pytest

from tests.gateways.clients import ask, value_of
from tests.gateways.programs import running
from tests.gateways.upstream import echoing_service
from tests.phones import Live, ZapPhone

FAILURES = {
    "away": None,
    "silent": b"",
    "503": b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    "a bug": b"HTTP/1.1 500 Oops\r\nX-User-Id: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    "a redirect": b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    "half an answer": b"HTTP/1.1 200 OK\r\nX-User-Id: 1\r\n",
    "no HTTP": b"hello\r\n\r\n",
}


@pytest.mark.parametrize("failure", FAILURES)
def test_without_the_gates_yes_nothing_passes_and_then_all_is_well_again(gateway, line, phone, failure):
    assert ask(line, phone.access_token).status == 200
    instead = FAILURES[failure]
    if instead is None:
        gateway.relay.go_away()
    else:
        gateway.relay.answer_instead(instead)
    for _ in range(2):
        began = time.monotonic()
        reply = ask(line, phone.access_token, method="POST", body=b"x" * 100)
        assert time.monotonic() - began < 5
        # Caddy passes a redirect of the gate on. The gate sends none.
        assert reply.status >= 500 or (gateway.name == "caddy" and failure == "a redirect"), reply
    assert gateway.service.requests == 1
    gateway.relay.come_back()
    assert ask(line, phone.access_token).status == 200


def test_a_connection_that_the_gate_has_closed_costs_no_request(gateway, line, phone):
    for _ in range(3):
        assert ask(line, phone.access_token).status == 200
        gateway.relay.break_lines()
    assert ask(line, phone.access_token).status == 200


def test_a_late_answer_is_never_taken_for_another_users(gateway, line, phone, server):
    other = ZapPhone(Live(server.base_url)).sign_up()
    for _ in range(2):
        assert value_of(ask(line, phone.access_token), "X-User-Id") == phone.user_id
        gateway.relay.answer_late(1.2)
        assert ask(line, phone.access_token).status >= 500
        gateway.relay.answer_late(0)
        for user in (other, phone, other):
            assert value_of(ask(line, user.access_token), "X-User-Id") == user.user_id


@pytest.mark.parametrize(
    "script", ["this is no Lua", "error('at the start')", "function ask_the_gate() error('x') end", None]
)
def test_an_error_in_apaches_script_lets_nothing_pass(script):
    with tempfile.TemporaryDirectory(prefix="zapauth-gateway-") as name, echoing_service() as service:
        folder = Path(name)
        folder.chmod(0o755)
        with running("apache", folder, gate="127.0.0.1:1", service=service.address) as places:
            if script is None:
                (folder / "zapauth.lua").unlink()
            else:
                (folder / "zapauth.lua").write_text(script)
            connection = closing(HTTPConnection("127.0.0.1", places.port, timeout=30))
            # mod_lua crashes if it can't load the script, and Apache starts another process.
            with connection as line, suppress(RemoteDisconnected):
                assert ask(line, "token").status == 500
        assert service.requests == 0
