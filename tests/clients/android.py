"""The Android client. It uses Gson and android-async-http and tells errors apart by name."""

import json
import re
import time
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from tests.clients.client import SDK, Result
from tests.phones import Reply, Transport
from users.clients import NewApp

GSON_ESCAPES = str.maketrans({char: f"\\u{ord(char):04x}" for char in "<>&='"})


class AndroidApp(SDK):
    headers = {
        "Accept": "application/json",
        "Accept-Encoding": "gzip",
        "User-Agent": "android-async-http/1.4.8 (http://loopj.com/android-async-http)",
    }

    def __init__(self, send: Transport, app: NewApp, *, android_id: str | None = "9774d56d682e549c") -> None:
        super().__init__(send, app)
        self.android_id = android_id
        self.device_token: Token | None = None
        self.user_token: Token | None = None
        self.user_id: str | None = None
        self.push_token: str | None = None
        self.logins_shown = 0

    def call(self, method: str, path: str, parameters: dict[str, Any] | None = None) -> Result:
        """Make a call. The client registers the device first if it has no valid token."""
        held = [token for token in (self.user_token, self.device_token) if token and token.is_good]
        if not held:
            registered = self._register()
            if registered.error:
                return registered
            held = [Token(registered.value)]
        return self._exchange(method, path, parameters, held[0])

    def create_user(self, name: str, password: str, **fields: Any) -> Result:
        """Create a user. ``fields`` have the client's spelling: `firstname`, but `dateOfBirth`."""
        return self._keep_user(self.call("POST", "/users", {"username": name, "password": password} | fields))

    def log_in(self, name: str, password: str) -> Result:
        return self._keep_user(self.call("POST", "/users/login", {"username": name, "password": password}))

    def log_out(self) -> Result:
        """Log out. The token of the answer replaces the token of the registration."""
        result = self.call("POST", "/users/me/logout", {})
        if not result.error:
            self.logins_shown += bool(self.user_id and self.user_token)
            self.device_token, self.user_token = Token(result.value), None
        return result

    def set_push_token(self, token: str | None) -> Result:
        self.push_token = token
        return self.call("PATCH", "/devices/current", {"pushToken": token})

    def _register(self) -> Result:
        facts = {"platform": "Android", "model": "Nexus 5", "osVersion": "5.1.1", "pushToken": self.push_token}
        facts |= {"appVersion": "1.2 (12)", "uniqueId": self.android_id}
        facts |= {"appid": self.app_id, "appkey": self.app_key, "appversion": "1.2"}
        result = self._exchange("POST", "/devices", facts, None)
        if not result.error:
            if not self.knows_the_server(result.value):
                return Result(error="UnknownServer")
            self.device_token = Token(result.value)
        return result

    def _exchange(self, method: str, path: str, parameters: dict[str, Any] | None, token: "Token | None") -> Result:
        headers, content, query = {}, None, ""
        if token:
            headers["Authorization"] = self.authorization(token.text, method, path)
        if method == "GET":
            query = f"?{urlencode(parameters)}" if parameters else ""
        else:
            headers["Content-Type"] = "application/json"
            content = None if parameters is None else to_gson(parameters)
        result = self._read(self.request(method, path + query, headers=headers, content=content))
        if result.error in ("AuthAccessTokenInvalid", "AuthAppCredentialsInvalid"):
            self.device_token = self.user_token = None
        elif result.error == "AuthUserAccessTokenRequired":
            self.logins_shown += 1
        return result

    @staticmethod
    def _read(reply: Reply) -> Result:
        envelope = reply.json
        if reply.status >= 300:
            return Result(None, envelope["error"], envelope["errorNumber"])
        assert None not in envelope.values()  # getAsString of a JsonNull raises an exception
        # "Can't deal with JSON": the client can read neither.
        assert envelope["result"] is not None
        assert not isinstance(envelope["result"], list)
        return Result(envelope["result"])

    def _keep_user(self, result: Result) -> Result:
        if not result.error:
            self.user_token, self.user_id = Token(result.value), result.value["id"]
        return result


class Token:
    def __init__(self, grant: dict[str, Any]) -> None:
        self.text: str = grant["accessToken"]
        self.expires = to_milliseconds(grant["accessTokenExpires"])

    @property
    def is_good(self) -> bool:
        return self.expires > time.time() * 1000


def to_milliseconds(text: str) -> int:
    match = re.search(r"/Date\((-?\d+)\)/", text)
    assert match, text  # the value would be null, and the next call would raise an exception
    return int(match[1])


def to_gson(parameters: dict[str, Any]) -> bytes:
    """Encode as Gson does: nulls are left out, dates have the American form, and the body cannot hold UTF-8."""
    given = {
        name: java_date(value) if isinstance(value, datetime) else value
        for name, value in parameters.items()
        if value is not None
    }
    text = json.dumps(given, separators=(",", ":"), ensure_ascii=False).translate(GSON_ESCAPES)
    return text.encode("latin-1", "replace")


def java_date(moment: datetime) -> str:
    return f"{moment:%b} {moment.day}, {moment.year} {moment:%I}:{moment:%M:%S} {moment:%p}".replace(" 0", " ")


def newer_java_date(moment: datetime) -> str:
    """Format a date as Java 20 and Android 14 do: a comma after the year, a narrow no-break space before AM."""
    day, year, time, half = java_date(moment).rsplit(" ", 3)
    return f"{day} {year}, {time}\u202f{half}"
