"""Plain Django: a middleware that asks the gate about each request, before any view."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any, cast

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse

from zapauth_client import configured
from zapauth_client.errors import Forbidden, NotPassed, Refused, Unavailable
from zapauth_client.verdict import Verdict

logger = logging.getLogger("zapauth_client")

_SENTENCES = {
    401: "Send an access token that is live, in the header Authorization.",
    403: "The token does not reach this service.",
    503: "The token can't be checked now. Try again later.",
}


class ZapAuthMiddleware:
    """Lets a request pass only with a live token, except to the paths of `ZAPAUTH["OPEN"]`.

    Sets `request.zapauth` to the verdict (None on an open path), and `request.user` by the function `ZAPAUTH["USER"]`.
    Put it after Django's AuthenticationMiddleware, if you have that. Under ASGI it waits for the gate in a thread, so
    the event loop goes on.
    """

    sync_capable = async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        # A wrong setting shows when the server starts, and not with the first request.
        configured.gate(), configured.user_function(), configured.open_paths()
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if self._is_async:
            return self._call_async(request)
        if is_open(request):
            _pass(request, None)
        else:
            try:
                _admit(request, _ask(request))
            except NotPassed as error:
                return answer(error)
        return cast(HttpResponseBase, self.get_response(request))

    async def _call_async(self, request: HttpRequest) -> HttpResponseBase:
        if is_open(request):
            _pass(request, None)
        else:
            try:
                verdict = await sync_to_async(_ask, thread_sensitive=False)(request)
                # The project's function may use the database, whose connections belong to Django's own thread.
                await sync_to_async(_admit)(request, verdict)
            except NotPassed as error:
                return answer(error)
        return cast(HttpResponseBase, await self.get_response(request))


def is_open(request: HttpRequest) -> bool:
    """Return whether the path needs no token."""
    path = request.path_info
    return any(path == open_ or (open_.endswith("/") and path.startswith(open_)) for open_ in configured.open_paths())


def answer(error: NotPassed) -> HttpResponse:
    """Return the answer for a request that does not pass: 401, 403 or 503, with the headers that belong to it."""
    body = {"error": error.error, "error_description": _SENTENCES[error.status]}
    response = JsonResponse(body, status=error.status, headers={"Cache-Control": "no-store"})
    if isinstance(error, Refused | Forbidden):
        response["WWW-Authenticate"] = error.challenge
    elif isinstance(error, Unavailable):
        logger.warning("a request gets 503: %s", error)
        response["Retry-After"] = str(error.retry_after)
    return response


def _ask(request: HttpRequest) -> Verdict:
    return configured.gate().check(request.META.get("HTTP_AUTHORIZATION"))


def _admit(request: HttpRequest, verdict: Verdict) -> None:
    """Set the user. Raises: Forbidden, if the project knows no such user."""
    user = configured.user_function()(verdict)
    if user is None:
        raise Forbidden
    request.user = user
    # AuthenticationMiddleware has set this, too, to the user of a cookie.
    request.auser = sync_to_async(lambda: user)
    _pass(request, verdict)


def _pass(request: HttpRequest, verdict: Verdict | None) -> None:
    request.zapauth = verdict  # type: ignore[attr-defined]
