"""Good requests. A test breaks one thing in one of them."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from tests.bad_input.dialects import Dialect
from tests.bad_input.genuine import Genuine
from tests.phones import InProcess, Phone, Reply, new_name, promote
from users.clients import create_app
from users.models import User
from users.reset_codes import Purpose, issue_code

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW")


@dataclass(frozen=True)
class Call:
    """A request of a phone."""

    phone: Phone
    method: str
    path: str
    body: dict[str, Any] | None = None
    token: str | None = None

    def send(
        self, content: bytes | None = None, *, kind: str | None = "application/json", **headers: str | None
    ) -> Reply:
        """Send it with ``content`` as its body. A header with the value None is left out."""
        if content is None and self.body is not None:
            content = json.dumps(self.body).encode()
        given = {"Authorization": f"{self.phone.scheme} {self.token}" if self.token else None}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        given["Content-Type"] = kind if content is not None else None
        sent = {name: value for name, value in given.items() if value is not None}
        return self.phone.send(self.method, self.path, headers=sent, content=content)

    def but(self, **changed: Any) -> "Call":
        return replace(self, **changed)

    def asking(self, query: str) -> "Call":
        return self.but(path=f"{self.path}?{query}")

    def with_fields(self, **fields: Any) -> "Call":
        return self.but(body=(self.body or {}) | fields)

    def without(self, *names: str) -> "Call":
        return self.but(body={name: value for name, value in (self.body or {}).items() if name not in names})


@dataclass(frozen=True, eq=False)
class Route:
    """A route of a dialect: its good call, and the facts that tests use.

    In `path` {own} is the id of the phone's user, {session} the id of its session. ``token`` is the
    phone's attribute. ``required`` and ``optional`` are the text fields of ``body``.
    """

    dialect: Dialect
    name: str
    method: str
    path: str
    body: Callable[[Any], dict[str, Any]] | None = None
    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    token: str = ""
    optional_token: bool = False
    takes_expired: bool = False  # for the caller's own id
    head: bool = True  # whether HEAD may replace GET
    permission: str = ""  # without this permission every call is refused
    for_others: str = ""  # the permission that a call with another user's id needs
    within: str = ""  # a function that the route calls

    def __str__(self) -> str:
        return f"{self.dialect}, {self.name}"

    @property
    def methods(self) -> set[str]:
        return {self.method, "HEAD"} if self.method == "GET" and self.head else {self.method}

    @property
    def path_by_id(self) -> str:
        """The path with an id in place of `me`."""
        return re.sub("^/users/me$", "/users/{own}", self.path)

    def path_for(self, phone: Any, user_id: str) -> str:
        """The phone's path with ``user_id`` in place of its own user's id."""
        session_id = Genuine(phone.access_token).claims["sid"] if "{session}" in self.path else ""
        return self.path_by_id.format(own=user_id, session=session_id)

    def call(self, phone: Any) -> Call:
        """Make the good call. The phone's user gets the permission that the route needs."""
        if self.permission:
            promote(phone, self.permission)
        path = self.path if self.path.endswith("/me") else self.path_for(phone, phone.user_id)
        token = getattr(phone, self.token) if self.token else None
        return Call(phone, self.method, path, self.body(phone) if self.body else None, token)


def new_phone(dialect: Dialect) -> Any:
    """Make a logged-in phone with a reset code. Also make another app and another user."""
    create_app(new_name())
    name = new_name()
    User.objects.create_user(name, email=f"{name}@example.org", phone_number="+49")
    phone = dialect.phone(InProcess(), device_token="mine").sign_up()
    give_code(phone)
    return phone


def give_code(phone: Any) -> None:
    """Make codes for the phone's user."""
    user = User.objects.get(pk=phone.user_id)
    phone.code, phone.email_code = issue_code(user), issue_code(user, purpose=Purpose.EMAIL)
