"""`/verify`: answer a gateway. It is a middleware and not a view, so it costs less than any other authenticated route.

It comes right after the facts of the request. So it never looks at the host, and never redirects.
"""

import logging
import threading
import time
from collections.abc import Callable

from django.conf import settings
from django.core.signals import got_request_exception
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.log import log_response

from sessions.errors import TOKEN_ERRORS
from sessions.tokens.jwt import AnyAccessToken
from users.counting import token_refused
from zapauth.gate import answers
from zapauth.gate.options import BadOptions, Options, options_of
from zapauth.gate.verdict import CannotCheck, credentials, find_session, pass_token, pass_unchecked, signed_request
from zapauth.request_facts import is_gate
from zapauth.unavailable import find_unavailable, is_away

logger = logging.getLogger("zapauth.gate")

REFUSE, ACCEPT = "refuse", "accept"  # GATE_WITHOUT_DATABASE
_SELDOM = 60.0  # seconds


class Gate:
    """Middleware that answers `/verify` and every path below it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return _answer(request) if is_gate(request.path) else self.get_response(request)


def _answer(request: HttpRequest) -> HttpResponse:
    """Answer 200, 401, 403 or 503. It does not raise."""
    try:
        word, *signature = credentials(request.META.get("HTTP_AUTHORIZATION", ""))
        token = AnyAccessToken.read(word)
        try:
            return _checked(request, token, signature[0] if signature else None)
        except Exception as error:
            if settings.GATE_WITHOUT_DATABASE != ACCEPT or not is_away(error):
                raise
            return _unchecked(request, token)
    except Exception as error:
        return _refused(request, error)


def _checked(request: HttpRequest, token: AnyAccessToken, signature: str | None) -> HttpResponse:
    signed = signed_request(request.method or "", request.path, request.META) if signature else None
    session = find_session(token, signature, signed)
    request.auth = session  # type: ignore[attr-defined]  # for the log
    # After the token: whatever the gateway asks for, a client without a live token gets a 401.
    return answers.passed(pass_token(token, _asked(request), session=session))


def _unchecked(request: HttpRequest, token: AnyAccessToken) -> HttpResponse:
    answer = answers.passed(pass_unchecked(token, _asked(request)))
    if _ACCEPTED.is_due():
        logger.warning("the database is away: tokens pass the gate by their signature, also after a logout")
    return answer


def _asked(request: HttpRequest) -> Options:
    return options_of(request.path, request.META["QUERY_STRING"])


def _refused(request: HttpRequest, error: Exception) -> HttpResponse:
    refusal = answers.refusal_for(error)
    if isinstance(error, TOKEN_ERRORS):
        token_refused(error.rule)
    if isinstance(error, BadOptions) and _MISTAKES.is_due():
        logger.warning("a gateway asks wrongly, and gets 403: %s", error)
    if refusal is not None:
        return answers.refused(refusal)
    response = answers.refused(answers.UNAVAILABLE)
    if find_unavailable(error) is None and not isinstance(error, CannotCheck):
        # A bug of ours: the gate stays closed.
        log_response("Internal Server Error: %s", "/verify", response=response, request=request, exception=error)
        got_request_exception.send(sender=Gate, request=request)
    return response


class _Seldom:
    """Says once a minute at most, in each process, that a line in the log is due."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._next = 0.0

    def is_due(self) -> bool:
        now = time.monotonic()
        with self._lock:
            is_due = now >= self._next
            if is_due:
                self._next = now + _SELDOM
        return is_due


_ACCEPTED, _MISTAKES = _Seldom(), _Seldom()
