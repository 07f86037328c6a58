"""The PHP client. It uses Guzzle, raises at each error, and keeps its tokens in an ini file.

It sends an empty array for no parameters. It cannot send PATCH requests: a misprint in the client itself stops them.
It is patched in one place: as published it reads an envelope with `true` in it as an exception and stores no token.
"""

import json
import re
import time
from typing import Any
from urllib.parse import urlencode

from tests.clients.client import SDK
from tests.phones import Transport
from users.clients import NewApp


class GuzzleError(Exception):
    """Its text is the status. No script catches it, because the client documents another name for the class."""


class PHPScript(SDK):
    headers = {"User-Agent": "Guzzle/5.3.0 curl/7.43.0 PHP/5.6.12"}

    def __init__(
        self, send: Transport, app: NewApp, *, ini: dict[str, str] | None = None, model: str | bool = ""
    ) -> None:
        super().__init__(send, app)
        self.model = model  # `false` if its detection does not know the device
        self.ini = {} if ini is None else ini
        self.unique_id = self.ini.setdefault("unique_id", "4b340550242239.64159797")  # uniqid("", true)

    @property
    def token(self) -> str | None:
        """The user's token, even an expired one. Without one, the device's."""
        kind = "user" if "user_access_token" in self.ini else "device"
        is_good = int(self.ini.get(f"{kind}_access_token_expires", "0")) > time.time() * 1000
        return self.ini[f"{kind}_access_token"] if is_good else None

    def get(self, path: str, parameters: dict[str, Any] | None = None) -> Any:
        return self._call("GET", path + (f"?{urlencode(parameters)}" if parameters else ""))

    def delete(self, path: str) -> Any:
        return self._call("DELETE", path)

    def post(self, path: str, parameters: dict[str, Any]) -> Any:
        return self._call("POST", path, parameters)

    def create_user(self, name: str, password: str, **fields: Any) -> Any:
        names = ("firstName", "lastName", "email", "gender", "dateOfBirth", "tag")
        given = {"username": name, "password": password} | dict.fromkeys(names) | fields
        return self._keep_user(self.post("/users", given))

    def log_in(self, name: str, password: str) -> Any:
        return self._keep_user(self.post("/users/login", {"username": name, "password": password}))

    def log_out(self) -> None:
        """Log out locally. The client sends no request."""
        for name in ("user_access_token", "user_access_token_expires", "user_id"):
            self.ini.pop(name, None)

    def _call(self, method: str, path: str, parameters: dict[str, Any] | None = None) -> Any:
        if self.token is None:
            facts = {
                "appId": self.app_id,
                "appKey": self.app_key,
                "platform": "Linux",
                "model": self.model,
                "osVersion": "",
            }
            self._keep("device", self._exchange("POST", "/devices", facts | {"uniqueId": self.unique_id})["result"])
        headers = {"Authorization": f"Buddy {self.token}"} if self.token else {}
        return self._exchange(method, path, parameters, headers)

    def _exchange(self, method: str, path: str, body: Any, headers: dict[str, str] | None = None) -> Any:
        kind = {} if body is None else {"Content-Type": "application/json"}
        content = None if body is None else json.dumps(body or [], separators=(",", ":")).replace("/", "\\/")
        reply = self.request(method, path, headers=kind | (headers or {}), content=content)
        if reply.status >= 400:
            raise GuzzleError(str(reply.status))
        return reply.json

    def _keep_user(self, envelope: Any) -> Any:
        self._keep("user", envelope["result"])
        self._set("user_id", envelope["result"]["id"])
        return envelope

    def _keep(self, kind: str, grant: dict[str, str]) -> None:
        self._set(f"{kind}_access_token", grant["accessToken"])
        match = re.search(r"/Date\((\d+)\)/", grant["accessTokenExpires"])
        assert match
        self._set(f"{kind}_access_token_expires", match[1])
        assert "serviceRoot" not in grant

    def _set(self, name: str, value: str) -> None:
        # PHP parses the values in the file. It changes quotes, blanks, and the signs of arithmetic and variables.
        assert re.fullmatch(r"[\w.-]+", value)
        self.ini[name] = value
