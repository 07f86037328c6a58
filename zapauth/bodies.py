"""How a body arrives: within a time and a size, before any thread and any of our code waits for it."""

import asyncio
from collections.abc import Callable
from io import BytesIO
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponseBase

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_PROBLEM = "zapauth.body_problem"


class BodyCutOff(BadRequest):
    """The body ended before its length, or without its last chunk."""


class BodyTimedOut(BadRequest):
    """The body was not there after REQUEST_TIMEOUT."""


class RefuseBrokenBodies:
    """Middleware: answers a request whose body did not arrive whole, so that no view acts on it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if _PROBLEM in request.META:
            raise request.META[_PROBLEM]
        return self.get_response(request)


def is_expected(environ: "WSGIEnvironment") -> bool:
    """Whether a body is to be read. One that says that it is over the limit is refused by its length."""
    length = environ.get("CONTENT_LENGTH", "0")
    if "HTTP_TRANSFER_ENCODING" in environ:
        return True
    return length != "0" and int(length) <= settings.DATA_UPLOAD_MAX_MEMORY_SIZE  # the server has parsed the length


async def receive(protocol: Any, environ: "WSGIEnvironment") -> bool:
    """Put the body into ``environ``, or what was wrong with it. Returns: whether it arrived.

    One that came without a length (RFC 9112 §7.1, `chunked`), which Django would take for empty, gets one.
    """
    # Not `asyncio.timeout`, whose exceptions refer to each other: what is left of the body, and with it the
    # connection, would live on until Python collects garbage. No exception is kept in ``environ`` for the same reason.
    give_up = asyncio.current_task().cancel  # type: ignore[union-attr]  # this runs in a task
    timer = asyncio.get_running_loop().call_later(settings.REQUEST_TIMEOUT.total_seconds(), give_up)
    try:
        body = await _read(protocol)
    except asyncio.CancelledError:
        environ[_PROBLEM] = BodyTimedOut
        return False
    finally:
        timer.cancel()
    if body is None or len(body) < int(environ.get("CONTENT_LENGTH", "0")):
        environ[_PROBLEM] = BodyCutOff
        return False
    environ |= {"CONTENT_LENGTH": str(len(body)), "wsgi.input": BytesIO(body)}
    return True


async def _read(protocol: Any) -> bytes | None:
    """The body, up to one part over the limit, which is enough to be refused; None, when it was cut off."""
    parts, size, empty = [], 0, 0
    async for part in protocol:
        parts.append(part)
        size += len(part)
        empty += not part
        if size > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            break
    # granian gives an empty part for the end, and one more for a connection that broke off before it. (It gives one
    # for trailers, too. No client is known to send any, and they are refused.)
    return b"".join(parts) if empty < 2 else None
