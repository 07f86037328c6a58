"""Middleware that a dialect's request goes past: who is logged in to a page does not concern it.

CSRF and clickjacking stay as Django has them, for its deployment check knows them by name; they cost little.
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
from django.template.loader import render_to_string
from django.utils.deprecation import MiddlewareMixin

from sessions.browser import recognise
from users.database_use import Use, used_for
from zapauth.unavailable import find_unavailable


def is_page(path: str) -> bool:
    """Whether a path is for people (the admin, the documentation) and not of a dialect."""
    return path.startswith(("/admin/", "/static/")) or path.rstrip("/") in ("/docs", "/schema")


if TYPE_CHECKING:
    _Middleware = MiddlewareMixin
else:
    _Middleware = object


class _OnPages(_Middleware):
    def __call__(self, request: HttpRequest) -> Any:
        return super().__call__(request) if is_page(request.path) else self.get_response(request)


class CorsMiddleware(cors.CorsMiddleware):
    """django-cors-headers', once some other origin may read answers."""

    def __call__(self, request: HttpRequest) -> Any:
        some = settings.CORS_ALLOWED_ORIGINS or settings.CORS_ALLOW_ALL_ORIGINS
        return super().__call__(request) if some else self.get_response(request)


class DatabaseMiddleware:
    """A page's statements may take longer; when the database can't answer, a page says so."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not is_page(request.path):
            return self.get_response(request)
        with used_for(Use.STAFF):
            return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        unavailable = find_unavailable(exception) if is_page(request.path) else None
        if unavailable is None:
            return None
        return HttpResponse(
            render_to_string("503.html"), status=503, headers={"Retry-After": str(unavailable.retry_after)}
        )


class ContentSecurityPolicyMiddleware(_OnPages, csp.CSPMiddleware):
    """django-csp's, on pages."""


class SessionMiddleware(_OnPages, sessions.SessionMiddleware):
    """Django's, on pages."""


class AuthenticationMiddleware(_OnPages, auth.AuthenticationMiddleware):
    """On pages, `request.user` is the user of the session that the browser's cookie names."""

    def process_request(self, request: HttpRequest) -> None:
        recognise(request)


class MessageMiddleware(_OnPages, messages.MessageMiddleware):
    """Django's, on pages."""
