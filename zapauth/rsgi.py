"""The application behind proxies, by granian's own interface (RSGI), which has headers' names as they were sent.

WSGI has one variable for `X-Forwarded-For` and `X_Forwarded_For`; in granian's the one that came last replaces the
other. So a client whose proxy passes names with an underscore could choose the address that limits and records see,
and nothing would show it. Here a header with an underscore in its name is left out, as nginx does by itself. What
is left goes to the WSGI application, in a thread.
"""

import asyncio
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import TYPE_CHECKING, Any

from django.conf import settings

from zapauth.wsgi import application as wsgi_application

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

_NAMED_OTHERWISE = {"content-type": "CONTENT_TYPE", "content-length": "CONTENT_LENGTH"}


class WithoutUnderscores:
    """An RSGI application that serves a WSGI application."""

    def __init__(self, app: "WSGIApplication", *, threads: int) -> None:
        self.app = app
        self.threads = ThreadPoolExecutor(threads, thread_name_prefix="request")

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        headers = dict(joined(scope.headers.items()))
        body = await _read(protocol) if {"content-length", "transfer-encoding"} & headers.keys() else b""
        environ = environ_of(scope, headers, body)
        status, given, content = await asyncio.get_running_loop().run_in_executor(self.threads, self._answer, environ)
        protocol.response_bytes(status, given, content)

    def _answer(self, environ: "WSGIEnvironment") -> tuple[int, list[tuple[str, str]], bytes]:
        started: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None, /) -> Any:
            started.append((status, headers))

        parts = self.app(environ, start_response)
        try:
            content = b"".join(parts)
        finally:
            if hasattr(parts, "close"):
                parts.close()
        status, headers = started[-1]
        return int(status[:3]), headers, content


def joined(headers: Iterable[tuple[str, str]]) -> Iterable[tuple[str, str]]:
    """The headers without those that have an underscore in their name; one that came repeatedly is one list."""
    values: dict[str, list[str]] = {}
    for name, value in headers:
        if "_" not in name:
            values.setdefault(name.lower(), []).append(value)
    for name, several in values.items():
        yield name, ("; " if name == "cookie" else ",").join(several)


def environ_of(scope: Any, headers: dict[str, str], body: bytes) -> "WSGIEnvironment":
    """The request as WSGI has it (PEP 3333)."""
    server, port = _address(scope.server)
    environ: WSGIEnvironment = {
        "REQUEST_METHOD": scope.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": scope.path.encode().decode("latin-1"),
        "QUERY_STRING": scope.query_string,
        "SERVER_NAME": server,
        "SERVER_PORT": port,
        "SERVER_PROTOCOL": f"HTTP/{scope.http_version}",
        "REMOTE_ADDR": _address(scope.client)[0],
        "HTTP_HOST": scope.authority or "",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.scheme,
        "wsgi.input": BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, value in headers.items():
        environ[_NAMED_OTHERWISE.get(name) or f"HTTP_{name.upper().replace('-', '_')}"] = value
    return environ


async def _read(protocol: Any) -> bytes:
    """The body, up to one part over the limit, which is enough to be refused. No thread waits for it."""
    parts, size = [], 0
    async for part in protocol:
        parts.append(part)
        size += len(part)
        if size > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            break
    return b"".join(parts)


def _address(text: str) -> tuple[str, str]:
    """`192.0.2.1:80`, `[2001:db8::1]:80`: host and port."""
    host, _, port = text.rpartition(":")
    return host.strip("[]"), port


application = WithoutUnderscores(wsgi_application, threads=settings.THREADS)
