"""Two facts about each request, set before any view runs: the request id and the client's address."""

import random
import re
import uuid
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase

from users.addresses import plain_address
from users.database_use import serve_nobody
from users.request_id import request_id as id_of_work

_SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_current: ContextVar[HttpRequest | None] = ContextVar("request", default=None)


class RequestFacts:
    """Middleware that sets `request.request_id`, `request.client_ip`, and the header `X-Request-ID` of the answer."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        request_id = _request_id(request)
        request.request_id = request_id  # type: ignore[attr-defined]
        request.client_ip = _client_ip(request)  # type: ignore[attr-defined]
        reset, reset_id = _current.set(request), id_of_work.set(request_id)
        serve_nobody()
        try:
            response = self.get_response(request)
        finally:
            _current.reset(reset)
            id_of_work.reset(reset_id)
        response["X-Request-ID"] = request_id
        return response


def facts_of_request() -> dict[str, Any]:
    """Return what is known about the request that this thread answers, for its lines in the log. It costs no query.

    The names are `request_id`, `ip`, `session`, `user` (of the session) and `app`. Unknown ones are left out.
    """
    request = _current.get()
    if request is None:  # a job after the answer keeps the id
        return {"request_id": found} if (found := id_of_work.get()) else {}
    facts = {"request_id": request.request_id, "ip": request.client_ip}  # type: ignore[attr-defined]
    # A dialect sets the first one when it has checked the token, and a page the second one.
    session = getattr(request, "auth", None) or getattr(request, "browser_session", None)
    if session is not None and session._meta.model_name == "app":  # a service sends the request
        facts["app"] = session.pk
    elif session is not None:
        known = vars(session)  # an attribute that is not loaded would cost a query
        facts |= {"session": session.pk, "user": known.get("user_id"), "app": known.get("app_id")}
    return {name: value for name, value in facts.items() if value is not None}


def current_request() -> HttpRequest | None:
    """Return the request that this thread answers, or None."""
    return _current.get()


# The first segments of the paths that other services call: `zapauth.services`.
_SERVICES = frozenset({"verify", "oauth", "push", "events", ".well-known"})


def is_service(path: str) -> bool:
    """Return whether a path is one that other services call. A segment may have parameters (RFC 3986 §3.3)."""
    return path[1:].partition("/")[0].partition(";")[0] in _SERVICES


def is_gate(path: str) -> bool:
    """Return whether a path is `/verify`, perhaps with parameters, or below it."""
    return path.startswith("/verify") and path[7:8] in ("", "/", ";")


def is_zap(path: str) -> bool:
    """Return whether a path belongs to ZAP."""
    return path == "/v1" or path.startswith("/v1/")


def _request_id(request: HttpRequest) -> str:
    # Buddy's answers contain the request id, and its clients expect a UUID there.
    sane = _SANE_ID if is_zap(request.path) or is_service(request.path) else _UUID
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
