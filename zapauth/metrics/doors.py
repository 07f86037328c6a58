"""Names for where a request came in. They are labels of figures, so there are few of them, whatever a client sends."""

import re
from typing import Final

from django.http import HttpRequest

from sessions.cookies import is_account_path
from zapauth.request_facts import current_request, is_gate, is_service, is_zap

ZAP, BUDDY, SERVICES, GATE, ADMIN, ACCOUNT, PAGES = "zap", "buddy", "services", "gate", "admin", "account", "pages"
DIALECTS: Final = (ZAP, BUDDY, SERVICES, GATE, ADMIN, ACCOUNT, PAGES)
SWEEP, BULK = "sweep", "bulk"  # not a request: the main process's own work, and a bulk run
NO_ROUTE, STATIC, OTHER = "none", "static", "other"
_PAGES = ("/", "/docs", "/docs/", "/schema", "/schema/")
# A HEAD is a GET without its body.
_METHODS = {name: name for name in ("GET", "POST", "PUT", "PATCH", "DELETE")} | {"HEAD": "GET"}
_GROUP = re.compile(r"\(\?P<(\w+)>(?:[^()]|\([^()]*\))*\)|<(?:\w+:)?(\w+)>")


def door() -> str:
    """Return where this thread's request came in. Without a request this is the main process's own work: the sweep."""
    request = current_request()
    return SWEEP if request is None else dialect_of(request.path)


def dialect_of(path: str) -> str:
    """Return which part of the service a path belongs to, whether there is a route for it or not."""
    if is_zap(path):
        return ZAP
    if is_gate(path):
        return GATE
    if path.startswith("/admin/"):
        return ADMIN
    if is_account_path(path):
        return ACCOUNT
    if path.startswith("/static/") or path in _PAGES:
        return PAGES
    return SERVICES if is_service(path) else BUDDY


def route_of(request: HttpRequest) -> str:
    """Return the route of a request that was answered, such as `v1/users/{user_id}`, or one of a few other words."""
    match = request.resolver_match
    if match is not None:
        return route_name(match.route)
    if request.path.startswith("/static/"):
        return STATIC
    return "verify" if is_gate(request.path) else NO_ROUTE


def route_name(pattern: str) -> str:
    r"""Return the pattern of a route without the signs of a regular expression: `^users/(?P<id>[^/]+)/?$`."""
    name = _GROUP.sub(lambda group: f"{{{group[1] or group[2]}}}", pattern)
    return name.replace("/?$", "").translate({ord(sign): None for sign in "^$\\"}) or "/"


def method_of(request: HttpRequest, status: int) -> str:
    """Return the method of a request, if its route takes it."""
    return OTHER if status == 405 else _METHODS.get(request.method or "", OTHER)
