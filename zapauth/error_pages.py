"""The pages of errors: 400, 403, 404, 500 and 503. The dialects answer errors in their own shape, not here.

Below `/admin/` a page has the admin's look and a way back. If staff are logged in, it also has the menu. It needs the
database for that; without it, and for 500 and 503, the page has the same look but no menu. Other paths get a plain page
in the same look, and the account page has templates of its own.
"""

from dataclasses import dataclass
from urllib.parse import urlsplit

from django.contrib import admin
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

_IN_ADMIN, _STATIC = "sessions/errors/admin.html", "sessions/errors/static.html"


@dataclass(frozen=True)
class _Text:
    title: str
    heading: str
    text: str
    icon: str


_ORDERS = "An order is carried out completely or not at all. Look at the user's page before you repeat it."
_TEXTS = {
    400: _Text(
        "Bad request",
        "The server does not understand this request",
        "A part of the address or of the form is not valid. Nothing was changed. Go back and try again.",
        "error",
    ),
    403: _Text(
        "Not allowed",
        "You may not do this",
        "Nothing was changed. Your permissions do not allow it, or the page that asked you is older than an hour, or "
        "you have to set up a second factor first. Only superusers can end the sessions of superusers.",
        "block",
    ),
    404: _Text(
        "Not found",
        "There is no such page",
        "The address is wrong, or the page no longer exists. Sessions, users and bulk runs are never deleted in the "
        "admin: look for them in their lists.",
        "search_off",
    ),
    500: _Text(
        "Error", "Something went wrong", f"This is our fault. The server's log has the details. {_ORDERS}", "error"
    ),
    503: _Text(
        "Not now",
        "The database is not available now",
        f"It can't be reached, or it is too busy. Wait a moment and load the page again. {_ORDERS} What you typed is "
        "still there when you go back.",
        "hourglass_disabled",
    ),
}
_FORM_TOO_OLD = _Text(
    "Not allowed",
    "The form is too old",
    "Nothing was changed. Go back, load the page again, and send the form once more. Your browser must accept cookies.",
    "block",
)
_OUTSIDE = {
    403: "This page is not open to you.",
    404: "The address is wrong, or the page no longer exists.",
    500: "This is our fault. The server's log has the details.",
    503: "The database is not reachable, or too busy. Wait a moment and load the page again.",
}


def error_page(request: HttpRequest, status: int) -> HttpResponse:
    """Return the page of an error in the look of the pages that ``request`` is for."""
    return _page(request, status, _TEXTS[status])


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer 403 to a form without a valid token (CSRF_FAILURE_VIEW)."""
    return _page(request, 403, _FORM_TOO_OLD)


def _page(request: HttpRequest, status: int, text: _Text) -> HttpResponse:
    if f"{request.path}/".startswith("/account/"):
        # With the request Django would look for the user, and a page about a fault must do without the database.
        known = request if status < 500 else None
        return HttpResponse(render_to_string(f"account/{status}.html", request=known), status=status)
    is_admin = request.path.startswith("/admin/")
    shown = text.text if is_admin or text is _FORM_TOO_OLD else _OUTSIDE.get(status, text.text)
    context = {
        "status": status,
        "title": text.title,
        "heading": text.heading,
        "text": shown,
        "icon": text.icon,
        "is_admin": is_admin,
        "back": _page_before(request),
    }
    menu = _with_menu(request, context) if is_admin and status < 500 else None
    return HttpResponse(menu or render_to_string(_STATIC, context), status=status)


def _with_menu(request: HttpRequest, context: dict[str, object]) -> str | None:
    """Return the page with the menu of the admin. None: nobody is logged in, or the database can't answer."""
    try:
        if not admin.site.has_permission(request):
            return None
        return render_to_string(_IN_ADMIN, admin.site.each_context(request) | context, request)
    except Exception:
        # A page about an error must not fail itself. The request may have come before the middleware had run.
        return None


def _page_before(request: HttpRequest) -> str:
    """Return the path of the page of this site that led here; "" if there is none, or it is the same page."""
    try:
        before = urlsplit(request.headers.get("Referer", ""))
        is_ours = before.netloc == request.get_host() and before.scheme == request.scheme
    except (ValueError, DisallowedHost):
        return ""
    is_page = before.path.startswith(("/admin/", "/docs")) and before.path != request.path
    if not (is_ours and is_page):
        return ""
    return f"{before.path}?{before.query}" if before.query else before.path
