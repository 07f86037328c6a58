"""Translate requests and answers between granian's own interface (RSGI) and WSGI.

RSGI has the names of headers as the client sent them. WSGI has one variable for `X-Forwarded-For` and
`X_Forwarded_For`. So if a proxy passes on names with an underscore, a client could choose the address for our limits
and records. We leave out every header with an underscore in its name, as nginx does by default.

An answer is sent when it is complete. granian could send it in pieces, but it would keep all pieces that a slow client
has not taken yet in memory, and it has no way to tell the client that the rest is missing. A large answer is written
to a file first, and granian reads that file while it sends. A stream of events goes through a pipe (`zapauth.events`).
"""

import os
import sys
from io import BytesIO
from threading import Timer
from typing import IO, TYPE_CHECKING, Any
from wsgiref.util import FileWrapper

from granian.rsgi import Scope

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

_KEYS = {"content-type": "CONTENT_TYPE", "content-length": "CONTENT_LENGTH"}
_MOST_KEYS = 1_000  # limited, because clients choose the names
_LARGE = 2**20  # in bytes. A file that is as long is not read into memory
# Seconds until we close our copy of a large file. granian opens the file at once, but does not say when it has.
_OPENED_WITHIN = 30.0


class Stream:
    """An answer that never is complete. It takes granian's protocol over and sends by itself."""

    def begin(self, protocol: Any, status: int, headers: list[tuple[str, str]]) -> None:
        raise NotImplementedError


class LargeFile(FileWrapper):
    """A file that is too large for the memory. ``number``: that of an open file descriptor, which stays open."""

    def __init__(self, file: IO[bytes], size: int, number: int) -> None:
        super().__init__(file, size)
        self.number = number


def wrap_file(file: IO[bytes], size: int = 8192) -> FileWrapper:
    """Wrap the file of an answer (PEP 3333, `wsgi.file_wrapper`)."""
    try:
        number = file.fileno()
    except (OSError, AttributeError):  # it is no real file
        return FileWrapper(file, size)
    return LargeFile(file, size, number) if os.fstat(number).st_size >= _LARGE else FileWrapper(file, size)


_SAME_FOR_ALL: dict[str, Any] = {
    "SCRIPT_NAME": "",
    "wsgi.version": (1, 0),
    "wsgi.errors": sys.stderr,
    "wsgi.multithread": True,
    "wsgi.multiprocess": True,
    "wsgi.run_once": False,
    "wsgi.file_wrapper": wrap_file,
}


def environ_of(scope: Scope) -> "WSGIEnvironment":
    """Return the request as a WSGI environment (PEP 3333) with an empty body. It is fast: every request needs it."""
    path = scope.path
    server, port = _address(scope.server)
    environ: WSGIEnvironment = _SAME_FOR_ALL | {
        "REQUEST_METHOD": scope.method,
        "PATH_INFO": path if path.isascii() else path.encode().decode("latin-1"),
        "QUERY_STRING": scope.query_string,
        "SERVER_NAME": server,
        "SERVER_PORT": port,
        "SERVER_PROTOCOL": f"HTTP/{scope.http_version}",
        "REMOTE_ADDR": _address(scope.client)[0],
        "wsgi.url_scheme": scope.scheme,
        "wsgi.input": BytesIO(),
    }
    for name, value in scope.headers.items():
        if "_" in name:
            continue
        key = _KEYS.get(name) or _key(name)
        # Join the values of a repeated header (RFC 9110 §5.3, and RFC 6265 §5.4 for the cookie).
        environ[key] = environ[key] + ("; " if name == "cookie" else ",") + value if key in environ else value
    environ.setdefault("HTTP_HOST", scope.authority or "")
    return environ


def answer(app: "WSGIApplication", environ: "WSGIEnvironment", protocol: Any, *, last: bool = False) -> None:
    """Let ``app`` answer the request. If ``last`` is true, the connection closes afterwards."""
    started: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None, /) -> Any:
        started.append((status, headers))

    parts = app(environ, start_response)
    content, copy = b"", None
    try:
        if isinstance(parts, Stream):
            status, headers = started[-1]
            parts.begin(protocol, int(status[:3]), headers)
            return
        if isinstance(parts, LargeFile):
            copy = os.dup(parts.number)
        else:
            content = b"".join(parts)
    finally:
        if hasattr(parts, "close"):
            parts.close()
    status, headers = started[-1]
    headers = [*headers, ("Connection", "close")] if last else headers
    if copy is None:
        protocol.response_bytes(int(status[:3]), headers, content)
    else:
        _send_file(protocol, int(status[:3]), headers, copy)


def _send_file(protocol: Any, status: int, headers: list[tuple[str, str]], number: int) -> None:
    os.lseek(number, 0, os.SEEK_SET)  # on some systems, opening it again does not start at its beginning
    protocol.response_file(status, headers, f"/dev/fd/{number}")
    closing = Timer(_OPENED_WITHIN, os.close, [number])
    closing.daemon = True
    closing.start()


def _key(name: str) -> str:
    key = f"HTTP_{name.upper().replace('-', '_')}"
    if len(_KEYS) < _MOST_KEYS:
        _KEYS[name] = key
    return key


def _address(text: str) -> tuple[str, str]:
    """Split `192.0.2.1:80` or `[2001:db8::1]:80` into host and port."""
    host, _, port = text.rpartition(":")
    return host.strip("[]"), port
