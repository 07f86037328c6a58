"""Fixtures for the browser tests: the app's page on one origin, the API on another."""

from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.servers import running_server
from tests.serving import serving

HERE = Path(__file__).parent


@pytest.fixture(scope="package", autouse=True)
def _browser():
    """Close the browser after the last browser test. The first of them starts it."""
    yield
    from tests.browser.chromium import quit_chromium

    quit_chromium()


@pytest.fixture(scope="module")
def site_port():
    """The port of a server for the files of this folder, on the loopback address."""
    with serving(ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=HERE))) as server:
        yield server.server_port


@pytest.fixture(scope="module")
def _api(site_port, django_db_setup, django_db_blocker):
    origin = f"http://127.0.0.1:{site_port}"
    with django_db_blocker.unblock(), running_server(CORS_ALLOWED_ORIGINS=origin, WORKERS="1") as started:
        yield started


@pytest.fixture
def api(_api, transactional_db):
    """The URL of a real server that allows the page's origin and no other."""
    return _api.base_url
