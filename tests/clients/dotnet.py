"""The .NET client. It uses HttpWebRequest and Newtonsoft, distinguishes errors by name, and ignores case in keys."""

import json
import re
from datetime import datetime
from typing import Any
from urllib.parse import quote

from tests.clients.client import SDK, Result
from tests.phones import Reply, Transport
from users.clients import NewApp

GENDERS = ("Unknown", "Male", "Female")  # an enumeration: the client sends the number and reads the name


class DotNetApp(SDK):
    # The client sends no user agent and waits for "100 Continue" before it sends a body.
    headers = {"BuddyPlatformSDK": "DotNet;Version=3.0.2.0", "Expect": "100-continue"}

    def __init__(self, send: Transport, app: NewApp, *, unique_id: str = "f3c9f1de-3c5c-4d3e-8f1e-2b1c") -> None:
        super().__init__(send, app)
        self.unique_id = unique_id
        self.push_token: str | None = None
        self.device_token: str | None = None
        self.user_token: str | None = None
        self.user_id: str | None = None
        self.logins_shown = 0

    def call(self, method: str, path: str, parameters: dict[str, Any] | None = None) -> Result:
        """Make a call. The client registers the device first if it has no token; if this fails, it calls without."""
        if not (self.user_token or self.device_token):
            self._register()
        return self._exchange(method, path, parameters or {})

    def create_user(self, name: str, password: str, **fields: Any) -> Result:
        names = ("firstName", "lastName", "email", "gender", "dateOfBirth", "tag")
        given = dict.fromkeys(names) | {"username": name, "password": password} | fields
        return self._set_current_user(self.call("POST", "/users", given))

    def log_in(self, name: str, password: str) -> Result:
        return self._set_current_user(self.call("POST", "/users/login", {"Username": name, "Password": password}))

    def log_out(self) -> Result:
        """Log out. The token of the answer replaces the token of the registration."""
        had_user = self.user_token is not None
        result = self.call("POST", "/users/me/logout")
        if not result.error:
            self.user_token = self.user_id = None
            self.device_token = result.value["accesstoken"]
            assert wire_date(result.value["accesstokenexpires"])
            self.logins_shown += had_user
        return result

    def current_user(self) -> Result:
        """Return the user who is logged in. The client reads every faulty answer as "nobody is logged in"."""
        result = self.call("GET", "/users/me")
        if result.error:
            self.user_token = self.user_id = None
            self.logins_shown += 1
        return result

    def update_device(self, push_token: str) -> Result:
        self.push_token = push_token
        return self.call("PATCH", "/devices/current", {"pushToken": push_token, "isProduction": True})

    def _register(self) -> None:
        facts = {"AppId": self.app_id, "AppKey": self.app_key, "ApplicationId": "Sample", "Platform": ".NET"}
        facts |= {"UniqueID": self.unique_id, "Model": None, "OSVersion": "Microsoft Windows NT 6.3.9600.0"}
        facts |= {"PushToken": self.push_token, "AppVersion": "1.0.0.0", "Tag": None}
        result = self._exchange("POST", "/devices", facts)
        if result.error or not self.knows_the_server(result.value, "serversignature"):
            self._clear()
        else:
            self.device_token = result.value["accesstoken"]

    def _exchange(self, method: str, path: str, parameters: dict[str, Any]) -> Result:
        token, headers, content = self.user_token or self.device_token, dict[str, str](), None
        if token:
            headers["Authorization"] = self.authorization(token, method, path)
        if method == "GET":
            path += "?" + "&".join(
                f"{name}={quote(str(value), safe='')}" for name, value in parameters.items() if value is not None
            )
        else:
            headers["Content-Type"] = "application/json"
            content = json.dumps(parameters, separators=(",", ":"), default=_iso_8601, ensure_ascii=False)
        reply = self.request(method, path, headers=headers, content=content and content.encode())
        result = self._read(reply)
        if result.error in ("AuthAppCredentialsInvalid", "AuthAccessTokenInvalid"):
            self._clear()
        elif result.error == "AuthUserAccessTokenRequired":
            self.user_token = self.user_id = None
            self.logins_shown += 1
        return result

    def _clear(self) -> None:
        self.device_token = self.user_token = self.user_id = None

    @staticmethod
    def _read(reply: Reply) -> Result:
        envelope = json.loads(reply.text, object_pairs_hook=_without_case)
        if envelope.get("error") is not None:
            return Result(envelope["message"], envelope["error"], envelope["errornumber"])
        return Result(envelope["result"])

    def _set_current_user(self, result: Result) -> Result:
        if not result.error:
            user = to_user(result.value)
            # After a second log-in of the same user the client keeps the first token.
            if self.user_token != result.value["accesstoken"] and self.user_id != user["id"]:
                self.user_token, self.user_id = result.value["accesstoken"], user["id"]
        return result


def to_user(fields: dict[str, Any]) -> dict[str, Any]:
    """Read a user as the client's class does: an invalid date, a null date or an unknown gender raises an error."""
    user = dict(fields)
    for name in ("created", "lastmodified", "dateofbirth"):
        if name in user:
            user[name] = wire_date(user[name])
    if "gender" in user:
        user["gender"] = GENDERS.index(user["gender"])
    if "location" in user:
        user["location"] = (float(user["location"]["lat"]), float(user["location"]["lng"]))
    return user


def wire_date(text: str) -> int:
    match = re.fullmatch(r"/Date\((-?\d+)\)/", text)
    assert match, text
    return int(match[1])


def _without_case(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    folded = {name.lower(): value for name, value in pairs}
    assert len(folded) == len(pairs)  # two keys that differ only in case raise an error
    return folded


def _iso_8601(moment: datetime) -> str:
    """Format a time with up to seven decimals of a second, without trailing zeros."""
    fraction = f"{moment.microsecond:06}7".rstrip("0") if moment.microsecond else ""
    return f"{moment:%Y-%m-%dT%H:%M:%S}{'.' + fraction if fraction else ''}Z"
