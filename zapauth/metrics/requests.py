"""Count the requests: a middleware. Every request passes it, so it costs a few microseconds."""

from collections.abc import Callable
from time import perf_counter
from typing import NamedTuple

from django.core.exceptions import MiddlewareNotUsed
from django.http import HttpRequest, HttpResponseBase
from prometheus_client import Counter, Histogram

from zapauth.metrics import files
from zapauth.metrics.doors import GATE, dialect_of, method_of, route_of
from zapauth.request_facts import is_gate


class _Figures(NamedTuple):
    counter: Counter
    seconds: Histogram


class CountRequests:
    """Middleware that counts each request by its route, and how long its answer took."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        if files.folder() is None:
            raise MiddlewareNotUsed
        self.get_response = get_response
        # To find the figures by their labels would cost more than to count. A key stands for a route, a method that it
        # takes, and a status. So there are few of them, whatever a client sends.
        self._known: dict[tuple[str | None, str | None, int], _Figures] = {}

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        began = perf_counter()
        response = self.get_response(request)
        seconds = perf_counter() - began
        counter, histogram = self._known.get(_key(request, response)) or self._find(request, response)
        counter.inc()
        histogram.observe(seconds)
        return response

    def _find(self, request: HttpRequest, response: HttpResponseBase) -> _Figures:
        from zapauth.metrics import figures

        status = response.status_code
        where = dialect_of(request.path), method_of(request, status), route_of(request)
        found = _Figures(figures.REQUESTS.labels(*where, f"{status // 100}xx"), figures.REQUEST_SECONDS.labels(*where))
        key = _key(request, response)
        if key[0] is not None and where[1] == request.method:
            self._known[key] = found
        return found


def _key(request: HttpRequest, response: HttpResponseBase) -> tuple[str | None, str | None, int]:
    match = request.resolver_match
    if match is not None:
        return match.route, request.method, response.status_code
    return GATE if is_gate(request.path) else None, request.method, response.status_code
