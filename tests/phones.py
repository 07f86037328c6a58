"""Phones: clients of each dialect, in this process or over a live server."""

import itertools
import json
import re
import socket
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from typing import Any, Protocol
from unittest import mock

from django.contrib.auth.models import Permission
from django.core.mail import EmailMessage
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from sessions.jobs import deferring, table
from sessions.pushes import Caller, page_of_user
from tests.jobs import do_soon
from tests.log_secrets import WATCH
from users.clients import create_app
from users.models import Access, App, DeviceToken, User
from users.password_hasher import OwaspArgon2
from users.sealing import Purpose, unseal

PASSWORD = "correct-horse-1"
# The text in ZAP's logout page.
SEED_DEVICE_TOKEN = (
    "fgYo5k5yrt9KaswddR4s5:APA91bFqeRBWioAOysyHLdLn5D--R36Izk5cXF0E-5nIdai-IrOw1bWv-O0BV6RQMLXJyAU8Gh27g6u573B1m"
    "I01-HEla5_Xat-r02nPKxJHEXwZtbZDzlf4o_fCR7XdN0ZHNuIZswaiLMK"
)
_numbers = itertools.count(1)


def new_name() -> str:
    return f"user_{next(_numbers)}"


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]  # names in lower case
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


class Transport(Protocol):
    def __call__(
        self, method: str, path: str, *, headers: dict[str, str] | None = None, content: bytes | str | None = None
    ) -> Reply: ...


class InProcess:
    """Calls the application in this process, through all of its middleware."""

    # One instance for all, because each new one loads the middleware.
    client = Client(raise_request_exception=False)

    def __call__(
        self, method: str, path: str, *, headers: dict[str, str] | None = None, content: bytes | str | None = None
    ) -> Reply:
        headers = {name.lower(): value for name, value in (headers or {}).items()}
        WATCH.remember_request(headers, content)
        kind = headers.pop("content-type", "")
        response = self.client.generic(method, path, content or b"", content_type=kind, headers=headers)
        names = {name.lower(): value for name, value in response.headers.items()}
        return Reply(response.status_code, names, response.content.decode())


class Live:
    """Calls a real server. Each request has a new connection, so that any worker may answer."""

    def __init__(self, base_url: str) -> None:
        self.address = base_url.removeprefix("http://")

    def __call__(
        self, method: str, path: str, *, headers: dict[str, str] | None = None, content: bytes | str | None = None
    ) -> Reply:
        WATCH.remember_request(headers or {}, content)
        with closing(HTTPConnection(self.address, timeout=30)) as connection:
            connection.request(method, path, body=content, headers=headers or {})
            return reply_of(connection.getresponse())


def reply_on(connection: socket.socket) -> Reply:
    """Read the answer on ``connection``. Raises: HTTPException or OSError, if there is none."""
    response = HTTPResponse(connection)
    response.begin()
    return reply_of(response)


def reply_of(response: HTTPResponse) -> Reply:
    names = {name.lower(): value for name, value in response.getheaders()}
    return Reply(response.status, names, response.read().decode())


class Phone:
    """A phone of either dialect. The latest answer is in `last`."""

    dialect: str
    scheme: str
    access_token: str = ""
    refresh_token: str = ""
    user_id: str = ""

    def __init__(self, send: Transport, *, device_token: str | None = None, **_: Any) -> None:
        self.send = send
        self.device_token = device_token
        self.last = Reply(0, {}, "")

    def call(self, method: str, path: str, body: Any = None, *, token: str | None = None) -> Reply:
        headers = {}
        if token:
            headers["Authorization"] = f"{self.scheme} {token}"
        if body is not None:
            headers["Content-Type"] = "application/json"
        self.last = self.send(method, path, headers=headers, content=None if body is None else json.dumps(body))
        return self.last

    def ask(self, method: str, path: str, body: Any = None) -> Reply:
        """Make a call with the user's own access token."""
        return self.call(method, path, body, token=self.access_token)

    def sign_up(self, username: str | None = None) -> "Phone":
        """Register a user and log in."""
        raise NotImplementedError

    def log_in(self, username: str) -> Reply:
        raise NotImplementedError

    def me(self, token: str | None = None) -> Reply:
        raise NotImplementedError

    def log_out(self) -> Reply:
        raise NotImplementedError


def promote(phone: Phone, *permissions: str) -> Any:
    """Make the phone's user staff with these permissions, such as "users.view_user". Returns the phone."""
    user = User.objects.get(pk=phone.user_id)
    user.is_staff = True
    user.save()
    for permission in permissions:
        app_label, codename = permission.split(".")
        user.user_permissions.add(Permission.objects.get(codename=codename, content_type__app_label=app_label))
    return phone


@dataclass(frozen=True)
class Work:
    """The work for an answer. Somebody who measures the time of the answer could see this work."""

    hashes: int
    statements: int


def work_of(call: Callable[[], Reply]) -> Work:
    """Measure the work of ``call`` until its answer, with the storing of jobs. They are done later and not counted."""
    hashes: list[str] = []
    jobs: list[dict[str, Any]] = []

    def stored(**job: Any) -> None:
        table.store(**job)
        jobs.append(job)

    def counted(name: str) -> Any:
        original = getattr(OwaspArgon2, name)
        return mock.patch.object(OwaspArgon2, name, lambda *args: hashes.append(name) or original(*args))

    with counted("encode"), counted("verify"), mock.patch.object(deferring, "store", stored):
        with CaptureQueriesContext(connection) as queries:
            call()
        work = Work(len(hashes), len(queries))
    for job in jobs:
        do_soon(**job)
    return work


def pushes_of(user_id: str) -> list[str]:
    """Return the addresses to which a push for that user would go."""
    everything = Caller(App(), Access.ALL)
    found = page_of_user(user_id, after=None, per_page=100, by=everything)
    return [each.device_token for each in found.verdicts]


def all_pushes() -> list[str]:
    """Return the addresses to which a push for any user would go."""
    return [address_in(held) for held in DeviceToken.objects.exclude(user=None).order_by("pk")]


def device_token(text: str) -> DeviceToken:
    """Return the stored row of that push address."""
    return DeviceToken.objects.get(digest=DeviceToken.digest_of(text))


def address_in(held: DeviceToken) -> str:
    """Return the push address in a stored row."""
    return unseal(held.sealed_token, Purpose.DEVICE_TOKEN)


def wrong_code(code: str) -> str:
    """Return a different code that looks like ``code``."""
    return code[:-1] + ("0" if code[-1] != "0" else "1")


def reset_code_in(mail: EmailMessage) -> str:
    """Return the code in a mail's text as written there: three groups of four hexadecimal digits."""
    (code,) = re.findall(r"\b[0-9a-f]{4} [0-9a-f]{4} [0-9a-f]{4}\b", str(mail.body))
    return code


class ZapPhone(Phone):
    dialect = "zap"
    scheme = "Bearer"

    def sign_up(self, username: str | None = None) -> "ZapPhone":
        self.username = username or new_name()
        email = f"{self.username}@example.org"
        made = self.call("POST", "/v1/users", {"username": self.username, "email": email, "password": PASSWORD})
        assert made.status == 201, made
        logged_in = self.log_in(self.username)
        assert logged_in.status == 200, logged_in
        return self

    def log_in(self, username: str) -> Reply:
        self.username = username
        token = {"deviceToken": self.device_token} if self.device_token else {}
        reply = self.call("POST", "/v1/login", {"identity": username, "password": PASSWORD} | token)
        if reply.status == 200:
            given = reply.json["data"]
            self.access_token, self.refresh_token = given["token"], given["refreshToken"]
            self.user_id = given["data"]["id"]
        return reply

    def me(self, token: str | None = None) -> Reply:
        return self.call("GET", "/v1/users/token", token=token or self.access_token)

    def log_out(self) -> Reply:
        """Log out by the PUT of ZAP's logout page if the phone has a device token, otherwise by the web app's GET."""
        path = f"/v1/users/logout/{self.user_id}"
        if self.device_token:
            return self.call("PUT", path, {"deviceToken": self.device_token}, token=self.access_token)
        return self.call("GET", path, token=self.access_token)

    def refresh(self) -> Reply:
        return self.call("POST", "/v1/refresh", {"refreshToken": self.refresh_token})


class BuddyPhone(Phone):
    dialect = "buddy"
    scheme = "Buddy"

    def __init__(
        self,
        send: Transport,
        *,
        device_token: str | None = None,
        app_id: str | None = None,
        app_key: str | None = None,
        unique_id: str | None = None,
    ) -> None:
        super().__init__(send, device_token=device_token)
        if app_id is None:
            new = create_app(f"App of {new_name()}")
            app_id, app_key = new.app.pk, new.key
        self.app_id, self.app_key = app_id, app_key
        self.unique_id = unique_id or new_name()
        self.app_token = ""

    def register_device(self) -> Reply:
        body = {"appId": self.app_id, "appKey": self.app_key, "platform": "Android", "uniqueId": self.unique_id}
        reply = self.call("POST", "/devices", body | ({"pushToken": self.device_token} if self.device_token else {}))
        if reply.status == 201:
            self.app_token = reply.json["result"]["accessToken"]
        return reply

    def _ready(self) -> None:
        if not self.app_token:
            assert self.register_device().status == 201, self.last

    def _keep(self, reply: Reply) -> Reply:
        if reply.status == 200:
            self.access_token, self.user_id = reply.json["result"]["accessToken"], reply.json["result"]["id"]
        return reply

    def sign_up(self, username: str | None = None) -> "BuddyPhone":
        self._ready()
        self.username = username or new_name()
        made = self.call("POST", "/users", {"username": self.username, "password": PASSWORD}, token=self.app_token)
        assert self._keep(made).status == 200, made
        return self

    def log_in(self, username: str) -> Reply:
        self._ready()
        self.username = username
        body = {"username": username, "password": PASSWORD}
        return self._keep(self.call("POST", "/users/login", body, token=self.app_token))

    def me(self, token: str | None = None) -> Reply:
        return self.call("GET", "/users/me", token=token or self.access_token)

    def log_out(self) -> Reply:
        return self.call("POST", "/users/me/logout", token=self.access_token)
