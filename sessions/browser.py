"""The session that a browser has on our pages: in the admin, or on the account page.

A signed cookie holds the id of our session (`sessions.cookies`). Each request of a page looks that session up, with the
same check as a token's (`sessions.authentication`). So when the session has ended, every copy of the cookie is refused.

Which of the two pages a request is for depends on its path, and `request.session` tells it.
"""

from contextlib import suppress
from functools import partial
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest
from django.middleware.csrf import rotate_token
from django.urls import reverse
from django.utils.functional import SimpleLazyObject

from sessions.authentication import get_live_session_by_id, note_use
from sessions.cookies import SID, kind_of, session_id_in
from sessions.errors import SessionEnded, SessionsError
from sessions.login.by_cookie import log_in_by_cookie
from sessions.logout import log_out
from sessions.models import Session
from users.clients import get_account_app, get_admin_app
from users.counting import token_refused
from users.models import App, User
from users.origin import Origin

# The header of requests that a page sends without an act of its user: `sessions/static/sessions/figures.js`. On any
# other page it means nothing: a thief of the cookie could use the whole admin without a trace in `last_seen_at`.
_BY_ITSELF, _SENT_TO = "X-By-Itself", "admin:figures"


def recognise(request: HttpRequest) -> None:
    """Set `request.user` to the user of the browser's session, or to AnonymousUser. First use looks it up."""
    request.user = SimpleLazyObject(partial(_user_of, request))  # type: ignore[assignment]


def find_session(request: HttpRequest) -> Session | None:
    """Find the live session of the browser that sent this request, or None. One look-up for each request."""
    if not hasattr(request, "browser_session"):
        # A page that refreshes itself is no use of the session: a screen that is left alone still times out.
        _keep(request, _find_session(request.session, is_used=not _is_sent_by_itself(request)))
    found: Session | None = request.browser_session  # type: ignore[attr-defined]
    return found


def log_in(request: HttpRequest, user: User) -> None:
    """Log ``user`` in to the page of this request in this browser. The browser's earlier session there ends.

    The caller has checked the password.

    Raises: SecondFactorRequired; BadCredentials, when the password has changed since; AppInactive.
    """
    is_account, before = kind_of(request.session) == App.Kind.ACCOUNT, find_session(request)
    app = get_account_app() if is_account else get_admin_app()
    session = log_in_by_cookie(user, app=app, origin=Origin.of(request), instead_of=before)
    request.session.flush()
    request.session[SID] = str(session.pk)
    rotate_token(request)
    _keep(request, session)
    recognise(request)


def log_out_of_browser(request: HttpRequest) -> None:
    """End the browser's live session, if it has one, and empty its cookie."""
    session = find_session(request)
    if session is not None:
        with suppress(SessionEnded):  # another request has ended it already
            log_out(session, origin=Origin.of(request))
    request.session.flush()
    _keep(request, None)
    recognise(request)


def _is_sent_by_itself(request: HttpRequest) -> bool:
    return _BY_ITSELF in request.headers and request.path == reverse(_SENT_TO)


def _find_session(store: SessionBase, *, is_used: bool) -> Session | None:
    session_id = session_id_in(store)
    if session_id is None:
        return None
    try:
        session = get_live_session_by_id(session_id)
    except SessionsError as error:
        token_refused(error.rule)
        return None
    if session.app.kind != kind_of(store):
        return None
    if is_used:
        note_use(session)
    return session


def _keep(request: HttpRequest, session: Session | None) -> None:
    request.browser_session = session  # type: ignore[attr-defined]


def _user_of(request: HttpRequest) -> Any:
    session = find_session(request)
    return AnonymousUser() if session is None else session.user
