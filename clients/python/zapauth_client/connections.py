"""Connections to one server: kept open, shared by threads, made anew after a fork, with one time limit for all."""

import os
import socket
import ssl
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit
from weakref import WeakSet

import httpcore

_LARGEST = 65_536  # bytes of an answer
_IDLE = 10.0  # seconds. Servers close idle connections themselves, so it is better to be first
_FAILURES = (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError, OSError)


class NoAnswer(Exception):
    """The server did not give a whole answer in time. The text says why, for a log."""


@dataclass(frozen=True)
class Answer:
    """An answer, whatever its status. The names of ``headers`` are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Connections:
    """Sends GET requests to one URL. Threads may share it.

    It takes no proxy from the environment: the header Authorization would go there. It follows no redirect, keeps no
    cookie and no answer.
    """

    def __init__(self, url: str, *, timeout: float, ssl_context: ssl.SSLContext | None = None) -> None:
        """Prepare, without connecting. Raises: ValueError, if the URL is none of HTTP.

        Args: timeout: seconds for a whole answer. Only the look-up of a host's name can take longer.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.fragment:
            raise ValueError(f"not a URL of HTTP, or one with more than host, path and query: {url!r}")
        if not timeout > 0:
            raise ValueError("the time limit must be more than 0 seconds")
        self._url, self._timeout = url, timeout
        self._ssl_context = ssl_context or (httpcore.default_ssl_context() if parts.scheme == "https" else None)
        self.renew()
        renew_after_fork(self)

    def renew(self) -> None:
        """Forget all connections. A process that was forked must not use those of its parent, nor their locks."""
        self._pool = httpcore.ConnectionPool(
            ssl_context=self._ssl_context, keepalive_expiry=_IDLE, network_backend=_Backend(), max_connections=None
        )

    def get(self, headers: Mapping[str, str]) -> Answer:
        """Send a request. Raises: NoAnswer."""
        _HERE.until = time.monotonic() + self._timeout
        try:
            return self._try(headers)
        except (httpcore.NetworkError, httpcore.RemoteProtocolError) as error:
            # The server may have closed an idle connection while we sent. A new connection fails for other reasons.
            if _HERE.has_connected:
                raise NoAnswer(_words(error)) from error
        except _FAILURES as error:
            raise NoAnswer(_words(error)) from error
        try:
            return self._try(headers)
        except _FAILURES as error:
            raise NoAnswer(_words(error)) from error

    def _try(self, headers: Mapping[str, str]) -> Answer:
        _HERE.has_connected = False
        limits = dict.fromkeys(("connect", "read", "write", "pool"), _remaining())
        extensions, sent = {"timeout": limits}, list(headers.items())
        with self._pool.stream("GET", self._url, headers=sent, extensions=extensions) as response:
            body = b"".join(_not_too_many(response.iter_stream()))
        named = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}
        return Answer(response.status, named, body)


def _not_too_many(parts: Iterable[bytes]) -> Iterator[bytes]:
    size = 0
    for part in parts:
        size += len(part)
        if size > _LARGEST:
            raise NoAnswer("the answer is too large")
        yield part


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


class _Here(threading.local):
    """The request of this thread: until when it may take, and whether it has opened a connection."""

    until = 0.0
    has_connected = False


_HERE = _Here()


def _remaining() -> float:
    """Return the seconds that are left. Raises: ReadTimeout."""
    left = _HERE.until - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout("no whole answer in time")
    return left


class _Backend(httpcore.SyncBackend):
    """Opens connections that keep to the time limit of the whole request. httpcore limits each single step only."""

    def connect_tcp(self, host: str, port: int, *args: Any, **options: Any) -> httpcore.NetworkStream:
        _HERE.has_connected = True
        failure = httpcore.ConnectError("the host has no address")
        # A host may have several addresses. The limit is for all of them together.
        for *_, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            try:
                limit = {"timeout": _remaining()}
                return _Stream(super().connect_tcp(str(address[0]), port, *args, **options | limit))
            except httpcore.ConnectError as error:
                failure = error
        raise failure


class _Stream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _remaining())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _remaining())

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, _remaining()))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _Renewable(Protocol):
    def renew(self) -> None: ...


_ALL = WeakSet[_Renewable]()


def renew_after_fork(one: _Renewable) -> None:
    """Call ``one.renew()`` in each child process. Other threads of the parent may hold its locks."""
    _ALL.add(one)


def _renew_all() -> None:
    for one in list(_ALL):
        one.renew()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_renew_all)
