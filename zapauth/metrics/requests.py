"""Middleware that counts requests. Every request passes it, so it must cost only a few microseconds."""

from collections.abc import Callable
from time import perf_counter
from typing import TYPE_CHECKING

from django.core.exceptions import MiddlewareNotUsed
from django.http import HttpRequest, HttpResponseBase

from zapauth.metrics import files
from zapauth.metrics.doors import GATE, dialect_of, method_of, route_of
from zapauth.request_facts import is_gate

if TYPE_CHECKING:
    from prometheus_client import Histogram


class CountRequests:
    """Middleware that counts each request by its route and status, and how long its answer took."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        if files.folder() is None:
            raise MiddlewareNotUsed
        self.get_response = get_response
        # Finding the figure by its labels costs more than counting. A key stands for a route, a method that it takes,
        # and a status. So there are few keys, whatever a client sends.
        self._known: dict[tuple[str | None, str | None, int], Histogram] = {}

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        began = perf_counter()
        response = self.get_response(request)
        seconds = perf_counter() - began
        match = request.resolver_match
        route = match.route if match is not None else GATE if is_gate(request.path) else None
        key = route, request.method, response.status_code
        (self._known.get(key) or self._find(request, key)).observe(seconds)
        return response

    def _find(self, request: HttpRequest, key: tuple[str | None, str | None, int]) -> "Histogram":
        from zapauth.metrics import figures

        route, method, status = key
        where = dialect_of(request.path), method_of(request, status), route_of(request)
        found = figures.REQUEST_SECONDS.labels(*where, f"{status // 100}xx")
        if route is not None and where[1] == method:
            self._known[key] = found
        return found
