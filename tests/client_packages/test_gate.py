"""Both packages ask the gate: whom they let pass, and that they stay closed whatever answers in its place."""

import time
from datetime import UTC, datetime

import pytest

from tests.client_packages.asking import by_python
from tests.client_packages.fake_gates import APP, EXTRA, SESSION, USER, answer, fake_gate, passed, self_signed
from tests.phones import BuddyPhone, Live
from tests.servers import free_port

TOKEN = "Bearer x"
UNAVAILABLE = (503, "temporarily_unavailable")
CHALLENGE = 'Bearer realm="zapauth", error="invalid_token", error_description="The token is not valid."'


def outcome(told):
    return "passed" if "passed" in told else (told["status"], told["word"])


# --- the real gate ----------------------------------------------------------------------------------


def test_a_token_passes_until_its_logout_and_the_next_request_is_refused(ask, server, live_phone):
    gate, authorization = f"{server.base_url}/verify", f"Bearer {live_phone.access_token}"
    for _ in range(3):
        told = ask(gate, authorization)["passed"]
        assert (told["user_id"], told["level"], told["is_checked"]) == (live_phone.user_id, "user", True)
    assert live_phone.log_out().status == 200
    told = ask(gate, authorization)
    assert outcome(told) == (401, "invalid_token")
    assert told["headers"]["WWW-Authenticate"].endswith('error_description="The session of this token has ended."')
    assert outcome(ask(gate, f"Bearer {live_phone.refresh_token}")) == (401, "invalid_token")


def test_app_level_and_role_are_asked_for(ask, server, live_phone):
    gate, users = f"{server.base_url}/verify", f"Bearer {live_phone.access_token}"
    buddy = BuddyPhone(Live(server.base_url))
    assert buddy.register_device().status == 201
    apps = f"Buddy {buddy.app_token}"
    assert outcome(ask(gate, users, app="ZAP")) == "passed"
    assert outcome(ask(gate, users, app=("Other", "ZAP"))) == "passed"
    assert outcome(ask(gate, users, app="Other")) == (403, "insufficient_scope")
    assert outcome(ask(gate, users, role="nurse")) == (403, "insufficient_scope")
    assert outcome(ask(gate, apps)) == (403, "insufficient_scope")
    told = ask(gate, apps, level=None)["passed"]
    assert (told["user_id"], told["app_id"], told["level"], told["role"]) == (None, buddy.app_id, "app", None)


# --- what the gate is asked, and what it says ---------------------------------------------------------


def test_the_question_has_the_clients_token_and_the_options_and_the_verdict_is_that_of_the_body(ask):
    with fake_gate(passed()) as gate:
        told = ask(gate.url, TOKEN, app=("a&b", "c"), role="nurse")["passed"]
        request = gate.requests[0].lower()
    about = {"user_id": USER, "session_id": SESSION, "app_id": APP, "level": "user", "role": "nurse"}
    assert told == about | {"expires_at": datetime(2026, 3, 1, 12, 15, tzinfo=UTC), "is_checked": True}
    assert request.startswith("get /verify?app=a%26b&app=c&role=nurse&level=user http/1.1\r\n")
    assert "\r\nauthorization: bearer x\r\n" in request
    if ask is by_python:
        assert {line.partition(":")[0] for line in request.splitlines()[1:-1]} == {"host", "authorization", "accept"}


def test_refusals_are_passed_on(ask):
    with fake_gate(answer({}, "401 Unauthorized", f"WWW-Authenticate: {CHALLENGE}")) as gate:
        refused = {"status": 401, "word": "invalid_token", "headers": {"WWW-Authenticate": CHALLENGE}}
        assert ask(gate.url, TOKEN) == refused
    with fake_gate(answer({}, "503 Service Unavailable", "Retry-After: 7")) as gate:
        told = ask(gate.url, TOKEN)
        assert (outcome(told), told["headers"]) == (UNAVAILABLE, {"Retry-After": "7"})


@pytest.mark.parametrize("header", [None, "", "Basic eDp5", "Token x", "Bearerx", "x" * 100_000])
def test_a_request_without_a_token_is_refused_and_nobody_is_asked(ask, header):
    with fake_gate(passed()) as gate:
        told = ask(gate.url, header)
        assert (told["status"], told["headers"]) == (401, {"WWW-Authenticate": 'Bearer realm="zapauth"'})
        assert gate.requests == []


@pytest.mark.parametrize("token", ["\r\nX-User-Id: 1", "é", "\0", "\ud800", "x" * 100_000])
def test_a_token_that_no_header_can_carry_is_refused_and_nobody_is_asked(ask, token):
    with fake_gate(passed()) as gate:
        assert ask(gate.url, f"Bearer x{token}")["headers"] == {"WWW-Authenticate": CHALLENGE}
        assert gate.requests == []


WRONG = [
    {"level": "app"},
    {"level": ""},
    {"app": ""},
    {"role": ("nurse", "")},
    {"timeout": 0},
    {"levle": "user"},
]


@pytest.mark.parametrize("options", WRONG, ids=str)
def test_a_wrong_option_is_an_error_at_once(ask, options):
    assert ask("http://127.0.0.1/verify", TOKEN, **options) == {"wrong": "options"}


@pytest.mark.parametrize(
    "url", ["", "/verify", "ftp://x/verify", "http://a:b@x/verify", "http://x/verify?app=a", "http://x/#a"]
)
def test_a_wrong_url_is_an_error_at_once(ask, url):
    assert ask(url, TOKEN) == {"wrong": "options"}


# --- whatever answers in its place ---------------------------------------------------------------------

PORTAL = b"<html><title>Welcome to our Wi-Fi</title>"
OTHERS = {
    "a portal": answer(PORTAL, content_type="text/html"),
    "a portal that says JSON": answer(PORTAL),
    "the gate's body as HTML": answer({"subject": USER, "extra": EXTRA}, content_type="text/html"),
    "nothing": answer(b""),
    "an empty object": answer({}),
    "null": answer(None),
    "a list": answer([]),
    "no extra": answer({"subject": USER}),
    "a user who is no id": passed("admin"),
    "a user who is a list": answer({"subject": [USER], "extra": EXTRA}),
    "no session": passed(sid=None),
    "no expiry": passed(expires_at=None),
    "another level": passed(level="root"),
    "an app-level token": passed(level="app"),
    "not checked": passed(checked=False),
    "deep": answer(b"[" * 60_000),
    "no UTF-8": answer(b'{"subject": "\xff"}'),
    "huge": answer({"subject": USER, "extra": EXTRA | {"more": "x" * 1_000_000}}),
    "no content": b"HTTP/1.1 204 No Content\r\n\r\n",
    "created": answer({"subject": USER, "extra": EXTRA}, "201 Created"),
    "a proxy's log-in": answer({}, "401 Unauthorized", 'WWW-Authenticate: Basic realm="proxy"'),
    "a 401 without a challenge": answer({}, "401 Unauthorized"),
    "a firewall": answer(PORTAL, "403 Forbidden", content_type="text/html"),
    "a proxy": answer({}, "407 Proxy Authentication Required", "Proxy-Authenticate: Basic"),
    "too many": answer({}, "429 Too Many Requests", "Retry-After: x"),
    "an error": answer({}, "500 Internal Server Error"),
    "no HTTP": b"220 mail.example.org ESMTP\r\n",
    "half an answer": passed()[:-20] + b"\r\n",
}


@pytest.mark.parametrize("what", OTHERS)
def test_an_answer_that_is_not_the_gates_lets_nobody_pass(ask, what):
    with fake_gate(OTHERS[what]) as gate:
        assert outcome(ask(gate.url, TOKEN, timeout=0.5)) == UNAVAILABLE


def test_a_redirect_is_not_followed(ask):
    with fake_gate(passed()) as target, fake_gate(answer({}, "302 Found", f"Location: {target.url}")) as gate:
        assert outcome(ask(gate.url, TOKEN)) == UNAVAILABLE
        assert target.requests == []


def test_an_unchecked_verdict_passes_only_where_the_service_wants_it(ask):
    with fake_gate(passed(checked=False)) as gate:
        assert ask(gate.url, TOKEN, accept_unchecked=True)["passed"]["is_checked"] is False


def test_a_gate_with_a_certificate_that_nobody_signed_gets_no_token(ask, tmp_path):
    context, _ = self_signed(tmp_path)
    with fake_gate(passed(), tls=context) as gate:
        assert outcome(ask(gate.url, TOKEN)) == UNAVAILABLE
        assert gate.requests == []


def test_a_gate_that_is_down_lets_nobody_pass(ask):
    assert outcome(ask(f"http://127.0.0.1:{free_port()}/verify", TOKEN)) == UNAVAILABLE
    assert outcome(ask("http://gate.invalid/verify", TOKEN, timeout=5)) == UNAVAILABLE


# --- time --------------------------------------------------------------------------------------------


def silent(request):
    time.sleep(20)
    yield b""


def slow_head(request):
    yield b"HTTP/1.1 200 OK\r\nX-A: "
    for _ in range(200):
        time.sleep(0.1)
        yield b"a"


def slow_body(request):
    yield b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
    for _ in range(200):
        time.sleep(0.1)
        yield b" "


@pytest.mark.parametrize("answers", [silent, slow_head, slow_body])
def test_a_slow_gate_is_given_up_after_the_time_for_the_whole_answer(ask, answers):
    with fake_gate(answers) as gate:
        start = time.monotonic()
        assert outcome(ask(gate.url, TOKEN, timeout=0.4)) == UNAVAILABLE
        assert 0.3 < time.monotonic() - start < 5
        assert len(gate.requests) == 1
        start = time.monotonic()  # its TLS is slow, too
        assert outcome(ask(gate.url.replace("http:", "https:"), TOKEN, timeout=0.4)) == UNAVAILABLE
        assert time.monotonic() - start < 5


def test_without_an_option_that_time_is_one_second(ask):
    with fake_gate(silent) as gate:
        start = time.monotonic()
        assert outcome(ask(gate.url, TOKEN)) == UNAVAILABLE
        assert 0.9 < time.monotonic() - start < 5


# --- connections ----------------------------------------------------------------------------------------


def test_a_connection_is_used_again(ask):
    with fake_gate(passed()) as gate:
        for _ in range(10):
            assert outcome(ask(gate.url, TOKEN)) == "passed"
        assert (gate.connections, len(gate.requests)) == (1, 10)


def test_if_the_gate_has_closed_an_idle_connection_it_is_asked_again_once(ask):
    def closes_once(request):
        if len(gate.requests) != 2:
            yield passed()

    with fake_gate(closes_once) as gate:
        assert outcome(ask(gate.url, TOKEN)) == outcome(ask(gate.url, TOKEN)) == "passed"
        assert (gate.connections, len(gate.requests)) == (2, 3)


def test_a_gate_that_always_hangs_up_is_not_asked_for_ever(ask):
    with fake_gate(lambda _: iter(())) as gate:
        assert outcome(ask(gate.url, TOKEN)) == UNAVAILABLE
        assert len(gate.requests) <= 2


def test_requests_at_the_same_time_each_get_their_own_verdict(ask):
    def own(request):
        time.sleep(0.01)
        yield passed(request.lower().partition("authorization: bearer ")[2][:24])

    users = [f"{number:024x}" for number in range(40)]
    with fake_gate(own) as gate:
        told = ask(gate.url, *[f"Bearer {user}" for user in users])
    assert [one["passed"]["user_id"] for one in told] == users
