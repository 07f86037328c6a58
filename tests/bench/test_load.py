"""The bench's client refuses a wrong answer."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from bench.load import WrongAnswer, client, request
from tests.serving import serving


class Service(BaseHTTPRequestHandler):
    """Answers with the status that is in the path."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.seen.append(self.path)  # type: ignore[attr-defined]
        self.send_response(int(self.path[1:]))
        if self.path != "/204":
            self.send_header("Content-Length", "5")
        self.end_headers()
        if self.path != "/204":
            self.wfile.write(b"hello")

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def service() -> Iterator[ThreadingHTTPServer]:
    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Service)) as server:
        server.seen = []  # type: ignore[attr-defined]
        yield server


def test_every_request_is_sent_once_and_timed(service):
    requests = [request("GET", "/200") for _ in range(40)] + [request("GET", "/204", status=204) for _ in range(2)]
    with client() as lean:
        replies = lean.send(service.server_port, requests)
    assert len(replies.latencies) == 42
    assert sorted(service.seen) == ["/200"] * 40 + ["/204"] * 2
    assert 0 < max(replies.latencies) <= replies.seconds


def test_another_status_than_the_right_one_stops_the_bench(service):
    with client() as lean, pytest.raises(WrongAnswer, match="hello"):
        lean.send(service.server_port, [request("GET", "/200"), request("GET", "/401")])
