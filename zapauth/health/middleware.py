"""`/healthz` and `/readyz`, as a middleware before all others.

A load balancer asks by IP address, over plain HTTP and often. So nothing here looks at the host, redirects, or belongs
to a dialect. The requests are not in the figures of `zapauth.metrics`, either.
"""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase, JsonResponse

from zapauth.health.checks import Check, Readiness, Status
from zapauth.health.process import server_id, worker_number
from zapauth.server.draining import is_draining

_METHODS = ("GET", "HEAD")


class Health:
    """Middleware that answers `/healthz` and `/readyz`."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        answer = _ANSWERS.get(request.path_info)
        return self.get_response(request) if answer is None else _answer(request, answer)


def _healthz() -> tuple[int, dict[str, Any]]:
    """Tell that this process answers. It uses nothing else, not even the database."""
    facts = {"server": server_id(), "worker": worker_number(), "workers": settings.WORKERS}
    return HTTPStatus.OK, {"status": "ok", **facts}


def _readyz() -> tuple[int, dict[str, Any]]:
    """Tell whether this process can serve requests now."""
    checks = _READINESS.checks()
    if is_draining():
        checks = [*checks, Check("stopping", Status.FAILED, "the server stops")]
    is_ready = all(check.status is not Status.FAILED for check in checks)
    status = HTTPStatus.OK if is_ready else HTTPStatus.SERVICE_UNAVAILABLE
    return status, {"status": "ready" if is_ready else "not ready", "checks": [check.as_json() for check in checks]}


_READINESS = Readiness()
_ANSWERS: dict[str, Callable[[], tuple[int, dict[str, Any]]]] = {"/healthz": _healthz, "/readyz": _readyz}


def _answer(request: HttpRequest, answer: Callable[[], tuple[int, dict[str, Any]]]) -> HttpResponseBase:
    if request.method not in _METHODS:
        return JsonResponse({"status": "method not allowed"}, status=405, headers={"Allow": ", ".join(_METHODS)})
    status, body = answer()
    response = JsonResponse(body, status=status, headers={"Cache-Control": "no-store"})
    # Django would log each 503 as an error. It is an answer for whoever asks, every second and more often.
    response._has_been_logged = True  # type: ignore[attr-defined]
    return response
