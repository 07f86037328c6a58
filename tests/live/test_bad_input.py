"""Bad input that needs a real server: broken bodies and requests that are not HTTP."""

import json
import socket
from contextlib import closing, suppress
from http.client import HTTPException

import pytest

from tests.bad_input.database import Untouched
from tests.bad_input.dialects import BUDDY, DIALECTS, ZAP
from tests.bad_input.oddities import LIMIT
from tests.bad_input.routes import BY_ID, route_named
from tests.phones import PASSWORD, Live, reply_on
from tests.servers import ping, running_server


@pytest.fixture
def phone(phone_kind, server):
    return phone_kind(Live(server.base_url), device_token="mine").sign_up()


@pytest.fixture
def dialect(phone):
    return DIALECTS[phone.dialect]


END = b"0\r\n\r\n"  # the last chunk


def connect(server):
    host, port = server.base_url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=10)


def answer(server, data, *, hang_up=False):
    """Send these bytes and return the answer, or None if the server closes without one. Raises: TimeoutError."""
    with closing(connect(server)) as connection:
        # The server may answer and close before it has read everything. Then the answer still counts.
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(data)
            if hang_up:
                connection.shutdown(socket.SHUT_WR)
        try:
            return reply_on(connection)
        except (ConnectionError, HTTPException):
            return None


def login(phone, *headers, kind="application/json"):
    """Return the head of a log-in in the phone's dialect, without the empty line at its end."""
    path, token = {"zap": ("/v1/login", ""), "buddy": ("/users/login", getattr(phone, "app_token", ""))}[phone.dialect]
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Type: {kind}", *headers]
    if token:
        lines.append(f"Authorization: Buddy {token}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def credentials(phone):
    return json.dumps({"identity": phone.username, "username": phone.username, "password": PASSWORD}).encode()


def chunked(content, size=7):
    chunks = [content[at : at + size] for at in range(0, len(content), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + END


# --- how a body arrives ------------------------------------------------------------------------


def test_a_body_in_chunks_is_a_body_like_any_other(phone, dialect, server):
    given = dialect.success(answer(server, login(phone, "Transfer-Encoding: chunked") + chunked(credentials(phone))))
    assert given.get("id", phone.user_id) == phone.user_id
    for content, size in ((b"[" * 100, 1), (b"\xff", 1), (b'{"a"', 2)):
        reply = answer(server, login(phone, "Transfer-Encoding: chunked") + chunked(content, size))
        assert dialect.error(reply) == dialect.malformed


def test_a_body_is_read_up_to_the_limit_and_not_beyond_in_one_piece_or_in_chunks(phone, dialect, server, subtests):
    whole = credentials(phone)
    for length in (LIMIT + 1, 1_000_000):
        content, untouched = whole.ljust(length), Untouched()
        pieces = {
            "one piece": login(phone, f"Content-Length: {length}") + content,
            "chunks": login(phone, "Transfer-Encoding: chunked") + chunked(content, 10_000),
            "one chunk": login(phone, "Transfer-Encoding: chunked") + chunked(content, length),
        }
        for name, data in pieces.items():
            with subtests.test(length=length, pieces=name):
                assert dialect.error(answer(server, data)) == dialect.too_large
                untouched()
    dialect.success(answer(server, login(phone, f"Content-Length: {LIMIT}") + whole.ljust(LIMIT)))
    dialect.success(answer(server, login(phone, "Transfer-Encoding: chunked") + chunked(whole.ljust(LIMIT), 10_000)))


@pytest.mark.parametrize("length", [LIMIT + 1, 2**20])
def test_a_body_over_the_limit_is_received_so_that_no_proxy_loses_the_answer(phone, dialect, server, length):
    refused = login(phone, f"Content-Length: {length}") + credentials(phone).ljust(length)
    good = login(phone, f"Content-Length: {len(credentials(phone))}") + credentials(phone)
    with closing(connect(server)) as connection:
        for _ in range(3):
            connection.sendall(refused)
            assert dialect.error(reply_on(connection)) == dialect.too_large
        connection.sendall(good)
        dialect.success(reply_on(connection))


def test_a_body_that_ends_early_is_no_body_and_hangs_nobody(phone, dialect, server, subtests):
    whole = credentials(phone)
    tries = {
        "shorter than its length": login(phone, f"Content-Length: {len(whole) + 1}") + whole,
        "none at all": login(phone, "Content-Length: 100"),
        "without the last chunk": login(phone, "Transfer-Encoding: chunked") + chunked(whole).removesuffix(END),
        "in the middle of a chunk": login(phone, "Transfer-Encoding: chunked") + b"fff\r\n" + whole,
    }
    for name, data in tries.items():
        untouched = Untouched()
        with subtests.test(body=name):
            reply = answer(server, data, hang_up=True)
            assert reply is None or dialect.error(reply)[0] == 400
            assert ping(server) == 200
            untouched()


# --- HTTP that is none, or odd -----------------------------------------------------------------

PING = b"GET /service/ping HTTP/1.1\r\nHost: 127.0.0.1\r\n"
POST = b"POST /v1/login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
BROKEN = {
    "noise": b"\x00\x01\x02\xff" * 100 + b"\r\n\r\n",
    "TLS": bytes.fromhex("1603010200010001fc0303") + b"x" * 500,
    "no version": b"GET /service/ping\r\n\r\n",
    "a version to come": b"GET /service/ping HTTP/9.9\r\nHost: 127.0.0.1\r\n\r\n",
    "no path": b"GET  HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    "a NUL in the path": b"GET /\0 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    "bytes in the query": b"GET /users/me?\xff=\xfe HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    "no host": b"GET /service/ping HTTP/1.1\r\n\r\n",
    "two hosts": PING + b"Host: evil.example\r\n\r\n",
    "a host of bytes": b"GET /service/ping HTTP/1.1\r\nHost: \xff\xfe\r\n\r\n",
    "a header without a colon": PING + b"foo\r\n\r\n",
    "a header with a blank in its name": PING + b"X Y: 1\r\n\r\n",
    "a header with a NUL": PING + b"X: a\0b\r\n\r\n",
    "a folded header": PING + b"X: a\r\n b\r\n\r\n",
    "a header of a megabyte": PING + b"X: " + b"a" * 1_000_000 + b"\r\n\r\n",
    "10,000 headers": PING + b"X: 1\r\n" * 10_000 + b"\r\n",
    "a path of 100,000 letters": b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    **{
        f"a length of {length.decode()}": POST + b"Content-Length: " + length + b"\r\n\r\nhello"
        for length in (b"x", b"-1", b"+5", b"5, 6", b"0x5", b"9" * 30)
    },
    "two lengths": POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    "a length and chunks": POST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "chunks and a length": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "another transfer encoding": POST + b"Transfer-Encoding: gzip\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "chunks, almost": POST + b"Transfer-Encoding: xchunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "a chunk of no size": POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    "a chunk of a huge size": POST + b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 30 + b"\r\n{}\r\n0\r\n\r\n",
    "an expectation": POST + b"Expect: nonsense\r\nContent-Length: 2\r\n\r\n{}",
}


@pytest.mark.only("zap")
def test_http_that_is_none_is_refused_or_cut_off_and_the_server_goes_on(phone, server, subtests):
    untouched = Untouched()
    for name, data in BROKEN.items():
        with subtests.test(http=name):
            reply = answer(server, data)
            assert reply is None or 400 <= reply.status < 500
            assert ping(server) == 200
    untouched()


def test_a_long_header_is_no_reason_to_refuse(phone, dialect, server):
    whole = credentials(phone)
    dialect.success(answer(server, login(phone, f"Content-Length: {len(whole)}", "X-Long: " + "a" * 100_000) + whole))


def test_a_content_type_that_cannot_be_parsed_is_answered_in_the_dialect(phone, dialect, server, subtests):
    # Django decodes the query with the charset of this header before our code runs.
    whole = credentials(phone)
    charsets = [f"charset={name}" for name in ("hex", "undefined", "idna", "utf-16", "nonsense", '"', "\xff\xfe")]
    rfc_2231 = ["charset*=nonsense''x", "charset*=utf-8''x%FF", "charset*0*=nonsense''x", "a*=nonsense''x", "b*0*=x''y"]
    kinds = [f"application/json; {parameter}" for parameter in (*charsets, *rfc_2231)]
    for kind in (*kinds, "text/plain; a*=nonsense''x", "\xff\xfe", "; ; ;"):
        with subtests.test(kind=kind):
            head = login(phone, f"Content-Length: {len(whole)}", kind=kind).replace(b" HTTP/1.1", b"?a=%41 HTTP/1.1")
            reply = answer(server, head + whole)
            assert reply.status in ((400,) if kind.startswith("text/plain") else (200, 400)), reply
            assert dialect.is_documented(reply), reply


def test_a_header_of_bytes_does_no_harm(phone, dialect, server, subtests):
    whole = credentials(phone)
    for name in ("User-Agent", "X-Request-ID", "Cookie", "Origin", "Accept", "X-Forwarded-For"):
        with subtests.test(header=name):
            head = login(phone, f"Content-Length: {len(whole)}", f"{name}: \xff\xfe\xc3")
            dialect.success(answer(server, head + whole))


def test_a_token_of_bytes_is_refused_in_the_dialect(phone, dialect, server):
    path, scheme = {"zap": ("/v1/users/token", "Bearer"), "buddy": ("/users/me", "Buddy")}[phone.dialect]
    head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {scheme} \xff.\xfe.\xc3\r\n\r\n"
    assert dialect.error(answer(server, head.encode("latin-1")))[0] == 401


def test_an_odd_id_or_query_is_answered_in_the_dialect(phone, dialect, server, subtests):
    ids = ("%FF%FE", "%00", "%0A", "..", "%2E%2E", "%2F", "%", "%zz")
    calls = [(route.method, route.path_for(phone, odd)) for route in BY_ID for odd in ids if route.dialect is dialect]
    users = route_named(dialect, "users").path
    calls += [
        ("GET", f"{users}?{query}") for query in ("limit=%00&bodyLimit=%00", "limit=%FF&bodyLimit=%FF", "%", "%zz=")
    ]
    for method, path in calls:
        with subtests.test(method=method, path=path):
            reply = phone.call(method, path, token=phone.access_token)
            assert dialect.is_documented(reply), reply
    assert phone.me().status == 200


# --- no other mode -----------------------------------------------------------------------------


def test_nothing_makes_the_server_answer_in_another_shape_than_the_dialects(transactional_db, server):
    with running_server(DEBUG="on", DJANGO_DEBUG="1", WORKERS="1") as talkative:
        for host, status in (("127.0.0.1", 404), ("evil.example", 400)):
            for path, dialect in (("/v1/nothing", ZAP), ("/nothing", BUDDY)):
                reply = answer(talkative, f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
                assert dialect.error(reply)[0] == status
