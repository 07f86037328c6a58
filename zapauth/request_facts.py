"""Two facts about each request, set before any view runs: the request id and the client's address."""

import logging
import random
import re
import uuid
from collections.abc import Callable
from contextvars import ContextVar

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase

from users.addresses import plain_address
from users.database_use import serve_nobody

_SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_current_id: ContextVar[str] = ContextVar("request_id", default="-")


class RequestFacts:
    """Middleware that sets `request.request_id`, `request.client_ip`, and the header `X-Request-ID` of the answer."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        request_id = _request_id(request)
        request.request_id = request_id  # type: ignore[attr-defined]
        request.client_ip = _client_ip(request)  # type: ignore[attr-defined]
        reset = _current_id.set(request_id)
        serve_nobody()
        try:
            response = self.get_response(request)
        finally:
            _current_id.reset(reset)
        response["X-Request-ID"] = request_id
        return response


class RequestIdFilter(logging.Filter):
    """Adds the id of the current request to each log record. Outside of a request it is "-"."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = _current_id.get()
        return True


def is_zap(path: str) -> bool:
    """Return whether a path belongs to ZAP."""
    return path == "/v1" or path.startswith("/v1/")


def _request_id(request: HttpRequest) -> str:
    # Buddy's answers contain the request id, and its clients expect a UUID there.
    sane = _SANE_ID if is_zap(request.path) else _UUID
    given = request.META.get("HTTP_X_REQUEST_ID", "")
    return given if given and sane.fullmatch(given) else _new_id()


def _new_id() -> str:
    """Make a random UUID. It need not be secret, so it doesn't ask the kernel: that would release Python's lock."""
    return str(uuid.UUID(int=random.getrandbits(128), version=4))


def _client_ip(request: HttpRequest) -> str | None:
    address: str = request.META.get("REMOTE_ADDR", "")
    proxies = settings.TRUSTED_PROXIES
    if proxies and (forwarded := request.META.get("HTTP_X_FORWARDED_FOR")):
        # Each of our proxies appends the address that it saw. The client can write anything to the left of it.
        hops = [hop.strip() for hop in forwarded.split(",")]
        if len(hops) >= proxies:
            address = hops[-proxies]
    return plain_address(address)
