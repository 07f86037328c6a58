"""The routes. `/v1` belongs to ZAP. Pages are at `/`, `/account`, `/admin`, `/static`, `/docs` and `/schema`.

The rest is Buddy's.
"""

from types import ModuleType

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import include, path, re_path
from django.views import defaults
from django.views.generic import RedirectView

from zapauth.buddy import errors as buddy
from zapauth.home import home
from zapauth.pages import is_page, template_of
from zapauth.request_facts import is_zap
from zapauth.schema.views import DocsView, SchemaView
from zapauth.zap import errors as zap


def _dialect(request: HttpRequest) -> ModuleType | None:
    if is_page(request):
        return None
    return zap if is_zap(request.path) else buddy


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    dialect = _dialect(request)
    return (
        dialect.failure(request, Http404())
        if dialect
        else defaults.page_not_found(request, exception, template_of(request, "404.html"))
    )


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a request that fails before a view is found, for example with a host that is not in ALLOWED_HOSTS."""
    dialect = _dialect(request)
    return (
        dialect.failure(request, exception)
        if dialect
        else defaults.bad_request(request, exception, template_of(request, "400.html"))
    )


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    dialect = _dialect(request)
    return (
        dialect.failure(request, exception)
        if dialect
        else defaults.permission_denied(request, exception, template_of(request, "403.html"))
    )


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer a form that another site has sent, or that was open for too long."""
    return permission_denied(request, PermissionDenied(reason))


def server_error(request: HttpRequest) -> HttpResponse:
    dialect = _dialect(request)
    return (
        dialect.server_error(request) if dialect else defaults.server_error(request, template_of(request, "500.html"))
    )


handler400 = bad_request
handler403 = permission_denied
handler404 = not_found
handler500 = server_error

urlpatterns = [
    path("", home, name="home"),
    path("v1/", include("zapauth.zap.urls")),
    path("", include("zapauth.buddy.urls")),
    path("account/", include("sessions.account.urls")),
    re_path(r"^account$", RedirectView.as_view(pattern_name="account:home")),
    path("admin/", admin.site.urls),
    re_path(r"^schema/?$", SchemaView.as_view(), name="schema"),
    re_path(r"^docs/?$", DocsView.as_view(), name="docs"),
]
