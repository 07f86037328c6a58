"""Middleware of Django and other packages, limited to this project's pages. Requests of both dialects skip it.

A read in a dialect takes 0.4 ms of CPU. With this middleware it would take 40 % more: django-csp adds 20 %,
django-cors-headers 7 %, messages 6 %, and cookies 4 %. An answer of a dialect would also have headers that only
browsers need. The middleware against CSRF and clickjacking costs little, and Django's deployment check looks for it by
name. So both run on every request.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from corsheaders import middleware as cors
from csp import middleware as csp
from django.conf import settings
from django.contrib.auth import middleware as auth
from django.contrib.messages import middleware as messages
from django.contrib.sessions import middleware as sessions
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.deprecation import MiddlewareMixin

from sessions.browser import recognise
from sessions.cookies import is_account_path, keep_account_cookie, open_account_cookie
from sessions.factor_gate import stop_without_factor
from users.database_use import Use, used_for
from zapauth.error_pages import error_page
from zapauth.unavailable import find_unavailable

_MAILED_LINKS = ("/account/not-me/", "/account/invitation/")


def is_page(request: HttpRequest) -> bool:
    """Return whether a request is for a page (the admin, the account, the documentation) and not for a dialect."""
    path = request.path
    if path == "/":
        return request.method in ("GET", "HEAD")
    if is_account_path(path):
        return True
    return path.startswith(("/admin/", "/static/")) or path.rstrip("/") in ("/docs", "/schema")


if TYPE_CHECKING:
    _Middleware = MiddlewareMixin
else:
    _Middleware = object


class _OnPages(_Middleware):
    def __call__(self, request: HttpRequest) -> Any:
        return super().__call__(request) if is_page(request) else self.get_response(request)


class CorsMiddleware(cors.CorsMiddleware):
    """django-cors-headers' middleware. It is skipped if no other origin may read answers."""

    def __call__(self, request: HttpRequest) -> Any:
        some = settings.CORS_ALLOWED_ORIGINS or settings.CORS_ALLOW_ALL_ORIGINS
        return super().__call__(request) if some else self.get_response(request)


class DatabaseMiddleware:
    """Gives the statements of staff's pages their time limits (STAFF_STATEMENT_TIMEOUT). Answers 503 with a page.

    The account page is for everybody. Its statements have the limits of other requests.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not is_page(request) or is_account_path(request.path):
            return self.get_response(request)
        with used_for(Use.STAFF):
            return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        return _unavailable(request, exception) if is_page(request) else None


def _unavailable(request: HttpRequest, exception: Exception) -> HttpResponse | None:
    """Return the page of a 503 if ``exception`` means that the database can't answer now."""
    unavailable = find_unavailable(exception)
    if unavailable is None:
        return None
    page = error_page(request, 503)
    page["Retry-After"] = str(unavailable.retry_after)
    return page


class ContentSecurityPolicyMiddleware(_OnPages, csp.CSPMiddleware):
    """django-csp's middleware, for pages only."""


class SessionMiddleware(_OnPages, sessions.SessionMiddleware):
    """Django's middleware, for pages only. The account page has a cookie of its own."""

    def process_request(self, request: HttpRequest) -> None:
        if is_account_path(request.path):
            open_account_cookie(request)
        else:
            super().process_request(request)

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        if not is_account_path(request.path):
            return super().process_response(request, response)
        keep_account_cookie(request, response)
        if request.path.startswith(_MAILED_LINKS):
            # Not even the request of a style sheet gets this address: servers in front of ours log the referrer of
            # each. This holds for the page of an error, too.
            response.headers.setdefault("Referrer-Policy", "strict-origin")
        return response


class AuthenticationMiddleware(_OnPages, auth.AuthenticationMiddleware):
    """Sets `request.user` on pages: the user of the session that the browser's cookie names.

    Staff who lack the second factor that they need get no page of the admin, except the one that sets it up.
    """

    def process_request(self, request: HttpRequest) -> None:
        recognise(request)

    def process_view(self, request: HttpRequest, *view: Any) -> HttpResponse | None:
        if not request.path.startswith("/admin/"):
            return None
        try:
            return stop_without_factor(request)
        except Exception as error:  # Django calls `process_exception` for views only
            answer = _unavailable(request, error)
            if answer is None:
                raise
            return answer


class MessageMiddleware(_OnPages, messages.MessageMiddleware):
    """Django's middleware, for pages only."""
