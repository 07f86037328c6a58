"""The headers of the account's pages, and the check of who may open them."""

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlsplit

from csp.constants import NONE
from csp.decorators import csp_replace
from django.http import Http404, HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.urls import Resolver404, resolve, reverse
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters

from sessions.account.browser import find_session
from sessions.models import Session
from users.models import User

View = Callable[..., HttpResponseBase]  # its first argument is the request

_NO_SCRIPTS = {"script-src": [NONE], "connect-src": [NONE], "font-src": [NONE]}


def open_page(view: View) -> View:
    """Wrap a page that everybody may open. No cache keeps it, and no script runs on it."""

    @wraps(view)
    def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        # PostgreSQL can't store a NUL in a text.
        values = [text for key, texts in request.GET.lists() for text in (key, *texts)]
        if any("\0" in text for text in (request.path_info, *values)):
            raise Http404
        return view(request, *args, **kwargs)

    hidden: View = never_cache(sensitive_post_parameters()(checked))
    return csp_replace(_NO_SCRIPTS)(hidden)


def own_page(view: View) -> View:
    """Wrap a page of a user who is logged in: ``view(request, session, …)``. Others are sent to the log-in."""

    @wraps(view)
    def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        session = find_session(request)
        if session is None or session.user is None:
            return _to_log_in(request)
        return view(request, session, *args, **kwargs)

    return open_page(checked)


def user_of(session: Session) -> User:
    """Return the user of the session that `own_page` has passed to a page."""
    assert session.user is not None  # noqa: S101  # `own_page` lets nobody else in
    return session.user


def safe_target(request: HttpRequest, wanted: str) -> str:
    """Return ``wanted`` if it is the address of a page of the account, and otherwise the first page."""
    is_local = url_has_allowed_host_and_scheme(wanted, allowed_hosts=None, require_https=request.is_secure())
    return wanted if is_local and _is_ours(urlsplit(wanted).path) else reverse("account:home")


def _is_ours(path: str) -> bool:
    try:
        return resolve(path).app_name == "account"
    except Resolver404:  # also for `/account/../admin/`, of which a browser makes another address
        return False


def _to_log_in(request: HttpRequest) -> HttpResponseRedirect:
    login = reverse("account:login")
    if request.method not in ("GET", "HEAD"):
        return HttpResponseRedirect(login)  # the change was not made, and its address may take no GET
    return HttpResponseRedirect(f"{login}?{urlencode({'next': request.get_full_path()})}")
