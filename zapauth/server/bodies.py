"""Read the body of a request, within limits of time and size, before Django handles the request.

No thread waits for a body: granian calls back in one of its threads when a part has arrived.
"""

import threading
import time
from collections.abc import Callable
from io import BytesIO
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponseBase

from zapauth.request_facts import is_gate

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_LOOK_EVERY = 0.2  # seconds between two checks for late bodies
# In bytes. A body over the limit is refused, but up to this length it is received first. A server that answers and
# closes before it has received everything resets the connection, and then a proxy may lose the answer: nginx would
# send a 502 of its own. docs/nginx.conf lets bodies of up to this length through.
_MOST_RECEIVED = 2**20
_PROBLEM = "zapauth.body_problem"


class BodyCutOff(BadRequest):
    """The body ended before its declared length, or without its last chunk."""


class BodyTimedOut(BadRequest):
    """The body was not complete after REQUEST_TIMEOUT."""


class RefuseBrokenBodies:
    """Middleware that refuses a request whose body is incomplete, so that no view acts on it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if _PROBLEM in request.META:
            raise request.META[_PROBLEM]
        return self.get_response(request)


def is_expected(environ: "WSGIEnvironment") -> bool:
    """Return whether to receive the body. Django refuses one over the limit by its declared length."""
    if is_gate(environ["PATH_INFO"]):
        return False
    if "HTTP_TRANSFER_ENCODING" in environ:
        return True
    length = int(environ.get("CONTENT_LENGTH", "0"))  # granian has checked that it is a number
    # A client that expects "100 Continue" has not sent the body yet. So a refusal resets nothing.
    most = settings.DATA_UPLOAD_MAX_MEMORY_SIZE if "HTTP_EXPECT" in environ else _MOST_RECEIVED
    return 0 < length <= most


def is_left(environ: "WSGIEnvironment") -> bool:
    """Return whether the body stays unread. Then the connection has to close: what follows is no new request."""
    return is_gate(environ["PATH_INFO"]) and (
        "HTTP_TRANSFER_ENCODING" in environ or environ.get("CONTENT_LENGTH", "0") != "0"
    )


def is_broken(environ: "WSGIEnvironment") -> bool:
    """Return whether the body is incomplete."""
    return _PROBLEM in environ


class Arrivals:
    """Keeps the bodies that are still arriving. Calls ``answer`` once for each, when it is complete or given up."""

    def __init__(self, answer: Callable[[Any, "WSGIEnvironment"], None]) -> None:
        self._answer = answer
        # In the order of the deadlines. `pop` is atomic, so only one thread gets an arrival and answers its request.
        self._waiting: dict[_Arrival, float] = {}
        threading.Thread(target=self._look_for_late_ones, name="late-bodies", daemon=True).start()

    def expect(self, request: Any, environ: "WSGIEnvironment") -> None:
        arrival = _Arrival(self, request, environ)
        self._waiting[arrival] = time.monotonic() + settings.REQUEST_TIMEOUT.total_seconds()
        arrival.read_on()

    def is_awaiting(self) -> bool:
        """Return whether a body is still arriving."""
        return bool(self._waiting)

    def is_awaited(self, arrival: "_Arrival") -> bool:
        return arrival in self._waiting

    def end(self, arrival: "_Arrival", *, problem: type[BadRequest] | None = None) -> None:
        if self._waiting.pop(arrival, None) is None:
            return
        if problem:
            # The class, not an instance: a raised exception is part of a reference cycle, which would keep the
            # connection until Python collects garbage.
            arrival.environ[_PROBLEM] = problem
            arrival.stop()
        else:
            arrival.finish()
        self._answer(arrival.request, arrival.environ)

    def _look_for_late_ones(self) -> None:
        while True:
            time.sleep(_LOOK_EVERY)
            # In its own function: a variable in this loop would keep the last arrival and its connection.
            self._give_up_late_ones(time.monotonic())

    def _give_up_late_ones(self, now: float) -> None:
        for arrival, deadline in list(self._waiting.items()):
            if deadline <= now:
                self.end(arrival, problem=BodyTimedOut)


class _Arrival:
    """One body. Parts over the limit are dropped; Django then refuses the request by its length."""

    def __init__(self, arrivals: Arrivals, request: Any, environ: "WSGIEnvironment") -> None:
        self.request = request
        self.environ = environ
        self._arrivals = arrivals
        self._parts: list[bytes] = []
        self._missing = int(environ["CONTENT_LENGTH"]) if "CONTENT_LENGTH" in environ else None
        self._length = 0
        self._ends = 0
        self._stream = request.proto.__aiter__()
        self._next: Any = None

    def read_on(self) -> None:
        try:
            self._next = awaited = self._stream.__anext__()
        except StopAsyncIteration:
            self._arrivals.end(self)
            return
        awaited.add_done_callback(self._came)
        if not self._arrivals.is_awaited(self):
            self.stop()  # the body was given up meanwhile

    def finish(self) -> None:
        """Put the body into the request and set its length: without one (RFC 9112 §7.1) Django would read no body."""
        self.environ |= {"CONTENT_LENGTH": str(self._length), "wsgi.input": BytesIO(b"".join(self._parts))}

    def stop(self) -> None:
        """Stop reading, so that the connection can close."""
        awaited, self._next = self._next, None
        if awaited is not None:
            awaited.cancel()

    def _came(self, awaited: Any) -> None:
        # Break the reference cycle between the two, because Python could not collect it.
        self._next = None
        try:
            if self._arrivals.is_awaited(self):
                self._take(awaited.result())
        except BaseException as error:
            self.request.err(error)  # answers 500 and logs the error; granian would drop it

    def _take(self, part: bytes) -> None:
        self._length += len(part)
        if self._length <= settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            self._parts.append(part)
        else:
            self._parts.clear()
        if self._missing is not None:
            self._missing -= len(part)
        # granian gives an empty part at the end, and a second one if the connection broke off before the end. It also
        # gives a second one for trailers. We know no client that sends them, and refuse them.
        self._ends += not part
        if self._missing == 0 or self._length > _MOST_RECEIVED:
            self._arrivals.end(self)
        elif (self._ends and self._missing) or self._ends > 1:
            self._arrivals.end(self, problem=BodyCutOff)
        else:
            self.read_on()
