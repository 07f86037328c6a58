"""The routes. `/v1` belongs to ZAP. Pages are at `/`, `/account`, `/admin`, `/static`, `/docs` and `/schema`.

Services call `/verify`, `/oauth`, `/push`, `/events` and `/.well-known`. The rest is Buddy's.
"""

from types import ModuleType

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import include, path, re_path
from django.views.generic import RedirectView

from zapauth.buddy import errors as buddy
from zapauth.error_pages import error_page
from zapauth.home import home
from zapauth.pages import is_page
from zapauth.request_facts import is_service, is_zap
from zapauth.schema.views import DocsView, SchemaView
from zapauth.services import errors as services
from zapauth.zap import errors as zap


def _dialect(request: HttpRequest) -> ModuleType | None:
    if is_page(request):
        return None
    if is_zap(request.path):
        return zap
    return services if is_service(request.path) else buddy


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    dialect = _dialect(request)
    return dialect.failure(request, Http404()) if dialect else error_page(request, 404)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a request that fails before a view is found, for example with a host that is not in ALLOWED_HOSTS."""
    dialect = _dialect(request)
    return dialect.failure(request, exception) if dialect else error_page(request, 400)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    dialect = _dialect(request)
    return dialect.failure(request, exception) if dialect else error_page(request, 403)


def server_error(request: HttpRequest) -> HttpResponse:
    dialect = _dialect(request)
    return dialect.server_error(request) if dialect else error_page(request, 500)


handler400 = bad_request
handler403 = permission_denied
handler404 = not_found
handler500 = server_error

urlpatterns = [
    path("", home, name="home"),
    path("v1/", include("zapauth.zap.urls")),
    path("", include("zapauth.services.urls")),
    path("", include("zapauth.buddy.urls")),
    path("account/", include("sessions.account.urls")),
    re_path(r"^account$", RedirectView.as_view(pattern_name="account:home")),
    path("admin/", admin.site.urls),
    re_path(r"^schema/?$", SchemaView.as_view(), name="schema"),
    re_path(r"^docs/?$", DocsView.as_view(), name="docs"),
]
