"""The parts that the replayed clients share: an app's credentials, a connection to the server, the error numbers.

Each client has its own class beside its tests. The class sends the same bytes as the published client and
changes its own state by the answer in the same way, including the client's oddities.
"""

import hashlib
import hmac
from dataclasses import dataclass
from typing import Any

from sessions.logout import end_sessions
from sessions.models import EndReason, Session
from tests.phones import Reply, Transport
from users.clients import NewApp

AUTH_FAILED = 256
ACCESS_TOKEN_INVALID = 260
APP_CREDENTIALS_INVALID = 261
BAD_USERNAME_OR_PASSWORD = 262
USER_TOKEN_REQUIRED = 263
NEW_PASSWORD = "another-pass-2"


@dataclass(frozen=True)
class Result:
    """The result of a call for the app: a value, or an error with its name and number."""

    value: Any = None
    error: str | None = None
    number: int = 0


class SDK:
    """A published client inside an app. `wire` lists each request with the status of its answer."""

    headers: dict[str, str] = {}  # headers of every request

    def __init__(self, send: Transport, app: NewApp) -> None:
        self._send = send
        self.app_id, self.app_key, self.secret = app.app.pk, app.key, app.shared_secret
        self.wire: list[tuple[str, str, int]] = []

    def request(self, method: str, path: str, *, headers: dict[str, str], content: bytes | str | None = None) -> Reply:
        reply = self._send(method, path, headers=self.headers | headers, content=content)
        self.wire.append((method, path, reply.status))
        return reply

    def authorization(self, token: str, method: str, path: str) -> str:
        """The `Authorization` header, with a signature if the app is signed. ``path`` has no query."""
        words = ["Buddy", token]
        if self.secret:
            words.append(sign(self.secret, f"{method}\n{self.app_id}\n{path}"))
        return " ".join(words)

    def knows_the_server(self, registration: dict[str, Any], name: str = "serverSignature") -> bool:
        return self.secret is None or registration.get(name) == sign(self.secret, f"{self.app_key}\n")


def sign(secret: str, text: str) -> str:
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def log_out_elsewhere(user_id: str) -> None:
    """End the session on the server, as support staff would. The client learns of it at its next call."""
    assert end_sessions(Session.objects.filter(user=user_id), actor=None, reason=EndReason.STAFF)
