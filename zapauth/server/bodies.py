"""How a body arrives: within a time and a size, and before any of our code sees the request.

No thread waits for a body. granian calls back in one of its threads when a part of it is there.
"""

import threading
import time
from collections.abc import Callable
from io import BytesIO
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponseBase

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_LOOK_EVERY = 0.2  # seconds; how often bodies that are late are looked for
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


def is_broken(environ: "WSGIEnvironment") -> bool:
    """Whether the body did not arrive whole."""
    return _PROBLEM in environ


class Arrivals:
    """The bodies that are on their way; `answer` is called once for each, when it is there or given up."""

    def __init__(self, answer: Callable[[Any, "WSGIEnvironment"], None]) -> None:
        self._answer = answer
        # In the order of their deadlines. `pop` is one step, so only one thread gets a body and answers its request.
        self._waiting: dict[_Arrival, float] = {}
        threading.Thread(target=self._look_for_late_ones, name="late-bodies", daemon=True).start()

    def expect(self, request: Any, environ: "WSGIEnvironment") -> None:
        arrival = _Arrival(self, request, environ)
        self._waiting[arrival] = time.monotonic() + settings.REQUEST_TIMEOUT.total_seconds()
        arrival.read_on()

    def is_awaited(self, arrival: "_Arrival") -> bool:
        return arrival in self._waiting

    def end(self, arrival: "_Arrival", *, problem: type[BadRequest] | None = None) -> None:
        if self._waiting.pop(arrival, None) is None:
            return
        if problem:
            # The class: an exception would be part of a circle of references when it has been raised, and the
            # connection would live until Python collects garbage.
            arrival.environ[_PROBLEM] = problem
            arrival.stop()
        else:
            arrival.finish()
        self._answer(arrival.request, arrival.environ)

    def _look_for_late_ones(self) -> None:
        while True:
            time.sleep(_LOOK_EVERY)
            # In a function of its own: a variable here would keep the last one, and its connection.
            self._give_up_late_ones(time.monotonic())

    def _give_up_late_ones(self, now: float) -> None:
        for arrival, deadline in list(self._waiting.items()):
            if deadline <= now:
                self.end(arrival, problem=BodyTimedOut)


class _Arrival:
    """One body, up to one part over the limit, which is enough to be refused."""

    def __init__(self, arrivals: Arrivals, request: Any, environ: "WSGIEnvironment") -> None:
        self.request = request
        self.environ = environ
        self._arrivals = arrivals
        self._parts: list[bytes] = []
        self._missing = int(environ["CONTENT_LENGTH"]) if "CONTENT_LENGTH" in environ else None
        self._room = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
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
            self.stop()  # it was given up meanwhile

    def finish(self) -> None:
        """Put the body into the request. One without a length (RFC 9112 §7.1), Django would take for empty."""
        body = b"".join(self._parts)
        self.environ |= {"CONTENT_LENGTH": str(len(body)), "wsgi.input": BytesIO(body)}

    def stop(self) -> None:
        """Let go of what is left, so that the connection can end."""
        awaited, self._next = self._next, None
        if awaited is not None:
            awaited.cancel()

    def _came(self, awaited: Any) -> None:
        # Neither refers to the other any more: nothing would ever collect the two.
        self._next = None
        try:
            if self._arrivals.is_awaited(self):
                self._take(awaited.result())
        except BaseException as error:
            self.request.err(error)  # a 500, and a line in the log; granian would drop the error

    def _take(self, part: bytes) -> None:
        self._parts.append(part)
        self._room -= len(part)
        if self._missing is not None:
            self._missing -= len(part)
        # granian gives an empty part for the end, and one more for a connection that broke off before it. (It gives
        # one for trailers, too. No client is known to send any, and they are refused.)
        self._ends += not part
        if self._missing == 0 or self._room < 0:
            self._arrivals.end(self)
        elif (self._ends and self._missing) or self._ends > 1:
            self._arrivals.end(self, problem=BodyCutOff)
        else:
            self.read_on()
