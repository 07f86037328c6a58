"""Backends: other services that call with the id and the key of an app, in this process or over a live server."""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus, urlencode

from tests.log_secrets import WATCH
from tests.phones import InProcess, Reply, Transport, new_name
from users.clients import create_app, set_access
from users.models import Access, App

FORM = "application/x-www-form-urlencoded"
NO_ACCESS = {"token_access": Access.NONE, "push_access": Access.NONE, "event_access": Access.NONE}


@dataclass
class Backend:
    """A service with the credentials of an app. Tests may change its attributes."""

    send: Transport
    app: App
    key: str

    def basic(self) -> str:
        """Return the header of HTTP Basic, with id and key form-encoded (RFC 6749 §2.3.1)."""
        pair = f"{quote_plus(self.app.pk)}:{quote_plus(self.key)}"
        return f"Basic {b64encode(pair.encode()).decode()}"

    def call(
        self, method: str, path: str, form: Mapping[str, Any] | str | bytes | None = None, **headers: str | None
    ) -> Reply:
        """Send a request with HTTP Basic. A header with the value None is left out. No secret of it may be logged."""
        WATCH.remember(self.key, *([form["token"]] if isinstance(form, Mapping) and "token" in form else []))
        content = form if isinstance(form, str | bytes) else urlencode(form or {})
        given = {"Authorization": self.basic(), "Content-Type": FORM if form is not None else None}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {name: value for name, value in given.items() if value is not None}
        return self.send(method, path, headers=sent, content=content if form is not None else None)

    def introspect(self, token: str, *, hint: str | None = None, **headers: str | None) -> Any:
        """Return what the service says about a token. Fails if the answer is not 200."""
        form = {"token": token} | ({"token_type_hint": hint} if hint else {})
        reply = self.call("POST", "/oauth/introspect", form, **headers)
        assert reply.status == 200, reply
        return reply.json

    def is_active(self, token: str, *, hint: str | None = None) -> bool:
        return self.introspect(token, hint=hint)["active"]

    def revoke(self, token: str, **headers: str | None) -> Reply:
        return self.call("POST", "/oauth/revoke", {"token": token}, **headers)


def new_backend(send: Transport | None = None, **access: Access) -> Backend:
    """Make an app with that access, and a backend that calls as this app."""
    made = create_app(f"Backend {new_name()}")
    set_access(made.app, NO_ACCESS | access)
    return Backend(send or InProcess(), made.app, made.key)
