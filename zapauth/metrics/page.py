"""`/metrics` on METRICS_PORT, served by the main process: the sum over all processes, in Prometheus' text format.

It has a port of its own. So a proxy in front of the service can't expose it by mistake, there is no token to keep and
rotate, and it answers while all workers are busy.
"""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.multiprocess import MultiProcessCollector

from zapauth.canary.figures import AGE
from zapauth.metrics import counting, files
from zapauth.metrics.database import DatabaseFigures

_TIMEOUT = 5  # seconds for a client to send a part of its request
_LONGEST = 20  # seconds for a request and its answer
_MOST_AT_ONCE = 4


@contextmanager
def figures_served() -> Iterator[None]:
    """Count in this process and its workers and serve the figures, if METRICS_PORT is set.

    Raises: ImproperlyConfigured, when the address is in use.
    """
    # An operator's own value is for another program.
    files.forget_folder()
    if not settings.METRICS_PORT:
        yield
        return
    with files.made() as folder, _listening(folder) as server:
        counting.begin()
        AGE.begin(settings.CANARY_EVERY.total_seconds())
        _note_workers()
        thread = threading.Thread(target=server.serve_forever, name="metrics-page", daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()


def _note_workers() -> None:
    from zapauth.metrics import figures  # it opens files, so it is imported when there is a folder

    figures.WORKERS_CONFIGURED.set(settings.WORKERS)


def figures_text(folder: Path) -> bytes:
    """Return all figures of the server whose processes count in ``folder``."""
    files.forget_dead(folder)
    registry = CollectorRegistry()
    MultiProcessCollector(registry, str(folder))
    registry.register(AGE)
    registry.register(DatabaseFigures())
    return generate_latest(registry)


@contextmanager
def _listening(folder: Path) -> Iterator["_Server"]:
    host, port = settings.METRICS_HOST, settings.METRICS_PORT
    try:
        server = _Server(folder, host, port)
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or error
        raise ImproperlyConfigured(f"can't listen on {host} port {port} (METRICS_PORT): {why}") from error
    with server:
        yield server


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 16

    def __init__(self, folder: Path, host: str, port: int) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._folder = folder
        self._lock = threading.Lock()
        self.places = threading.BoundedSemaphore(_MOST_AT_ONCE)
        super().__init__((host, port), _Handler)

    def text(self) -> bytes:
        with self._lock:  # one scrape at a time reads the files and asks the database
            return figures_text(self._folder)

    def process_request(self, request: Any, client_address: Any) -> None:
        # Others wait in the queue of the socket. A client that sends nothing holds a place for a few seconds only.
        self.places.acquire()
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        hanging_up = threading.Timer(_LONGEST, _hang_up, [request])
        hanging_up.daemon = True
        hanging_up.start()
        try:
            super().process_request_thread(request, client_address)
        finally:
            hanging_up.cancel()
            self.places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client went away: nothing to log."""


def _hang_up(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = _TIMEOUT
    server_version, sys_version = "ZapAuth", ""

    def do_GET(self) -> None:
        if self.path.partition("?")[0] != "/metrics":
            self.send_error(404)
            return
        text = self.server.text()
        self.send_response(200)
        self.send_header("Content-Type", CONTENT_TYPE_PLAIN_0_0_4)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: Prometheus asks every few seconds."""
