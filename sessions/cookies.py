"""The cookies of the browsers that log in to our pages: the admin has one, and the account page another.

A cookie is Django's signed one. It holds the id of a session of ours. Each page has its own signature, so the cookie of
one page is worth nothing on the other. The browser sends the cookie of the account page to that page only.
"""

from datetime import timedelta
from typing import Any, ClassVar
from uuid import UUID

from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.backends.signed_cookies import SessionStore
from django.core import signing
from django.http import HttpRequest, HttpResponseBase
from django.utils.cache import patch_vary_headers

from users.models import App

# The name of the session's id in a cookie. A wire format: never rename it, because cookies outlive a restart.
SID = "sid"
ACCOUNT_COOKIE = "account"
ACCOUNT_PATH = "/account/"
# In case the host's clock is wrong: Django measures a cookie's age by it. The session itself decides.
_SPARE = timedelta(days=1)


class AccountStore(SessionStore):
    """The contents of the account page's cookie."""

    kind: ClassVar[App.Kind] = App.Kind.ACCOUNT
    _SALT = "sessions.cookies.account"

    def load(self) -> dict[str, Any]:
        max_age = settings.ACCOUNT_SESSION_LIFETIME + _SPARE
        try:
            found: dict[str, Any] = signing.loads(
                self.session_key or "", serializer=self.serializer, max_age=max_age, salt=self._SALT
            )
        except Exception:  # as in Django's own store: the text may be anything
            self.create()
            return {}
        return found

    def _get_session_key(self) -> str:
        data = self._session  # type: ignore[attr-defined]  # the stubs lack it
        return signing.dumps(data, compress=True, salt=self._SALT, serializer=self.serializer)


def kind_of(store: SessionBase) -> App.Kind:
    """Return the kind of the app whose sessions ``store`` names."""
    return AccountStore.kind if isinstance(store, AccountStore) else App.Kind.ADMIN


def session_id_in(store: SessionBase) -> UUID | None:
    """Return the id of the session that a cookie names. None: the signature is wrong, or it names no session."""
    try:
        return UUID(store.get(SID, ""))
    except (ValueError, AttributeError, TypeError):
        return None


def is_account_path(path: str) -> bool:
    """Return whether a path belongs to the account page."""
    return path.startswith(ACCOUNT_PATH) or path == ACCOUNT_PATH.rstrip("/")


def open_account_cookie(request: HttpRequest) -> None:
    """Set `request.session` to what the account page's cookie holds. It is read at its first use."""
    request.session = AccountStore(request.COOKIES.get(ACCOUNT_COOKIE))


def keep_account_cookie(request: HttpRequest, response: HttpResponseBase) -> None:
    """Write the cookie of the account page into ``response`` if it has changed. An empty one is deleted."""
    store = request.session
    if store.accessed:
        patch_vary_headers(response, ("Cookie",))
    if response.status_code >= 500 or not store.modified:
        return
    if store.is_empty():
        response.delete_cookie(ACCOUNT_COOKIE, path=ACCOUNT_PATH, samesite="Lax")
        return
    store.save()
    response.set_cookie(
        ACCOUNT_COOKIE,
        store.session_key or "",
        max_age=settings.ACCOUNT_SESSION_LIFETIME + _SPARE,
        path=ACCOUNT_PATH,
        secure=bool(settings.SESSION_COOKIE_SECURE),
        httponly=True,
        samesite="Lax",  # not Strict: people come from links in mails, and would not be logged in
    )
