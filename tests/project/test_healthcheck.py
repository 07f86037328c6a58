from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from django.http import HttpRequest

from tests.servers import free_port
from tests.serving import serving
from zapauth import healthcheck


@contextmanager
def answering(status):
    """Run a server that answers a ping with that status. Yield its port and the list of requested hosts."""
    hosts = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            hosts.append(self.headers["Host"])
            self.send_response(status if self.path == "/service/ping" else 404)
            self.end_headers()

        def log_message(self, *arguments):
            pass

    with serving(HTTPServer(("127.0.0.1", 0), Handler)) as server:
        yield server.server_port, hosts


@pytest.mark.parametrize(
    "allowed", ["auth.example.org", ".example.org", "127.0.0.1", "[::1]", "a.example.org,b.example.org"]
)
def test_the_health_check_asks_with_a_host_name_that_is_allowed(settings, allowed):
    settings.ALLOWED_HOSTS = allowed.split(",")
    with answering(200) as (port, hosts):
        settings.PORT = port
        assert healthcheck.main() == 0
    request = HttpRequest()
    (request.META["HTTP_HOST"],) = hosts
    assert request.get_host()  # raises DisallowedHost if the name is not allowed


@pytest.mark.parametrize("status", [301, 400, 500, 503])
def test_an_answer_other_than_200_is_not_healthy(settings, status):
    with answering(status) as (port, hosts):
        settings.PORT = port
        assert healthcheck.main() == 1
    assert hosts


def test_no_answer_is_not_healthy(settings):
    settings.PORT = free_port()
    assert healthcheck.main() == 1
