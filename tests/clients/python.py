"""The Python client. It uses requests, keeps all its tokens in an ini file, and sees only an error's status."""

import json
import re
import time
from configparser import ConfigParser
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests.clients.client import SDK
from tests.phones import Reply, Transport
from users.clients import NewApp


class PythonScript(SDK):
    headers = {
        "User-Agent": "python-requests/2.9.1",
        "Accept": "*/*",
        "Accept-Encoding": "gzip, deflate",
        "Connection": "keep-alive",
    }

    def __init__(self, send: Transport, app: NewApp, *, settings: Path) -> None:
        super().__init__(send, app)
        self.settings_file = settings
        self.settings = ConfigParser()  # with interpolation: `set` refuses a lone %
        self.settings.read(settings)
        if not self.settings.has_section(self.app_id):
            self.settings.add_section(self.app_id)
        self.last_location: tuple[float, float] | None = None
        self.logins_asked = 0

    @property
    def token(self) -> str | None:
        """The user's token, or the device's if the user has none. An expired token counts as none."""
        return self._held("user") or self._held("device")

    @property
    def user_id(self) -> str | None:
        return self.settings.get(self.app_id, "user_id", fallback=None)

    def get(self, path: str, parameters: dict[str, Any] | None = None) -> Any:
        return self._call("GET", path, in_query=parameters)

    def delete(self, path: str, parameters: dict[str, Any] | None = None) -> Any:
        return self._call("DELETE", path, in_query=parameters)

    def post(self, path: str, parameters: dict[str, Any]) -> Any:
        return self._call("POST", path, parameters)

    def patch(self, path: str, parameters: dict[str, Any]) -> Any:
        return self._call("PATCH", path, parameters)

    def create_user(self, name: str, password: str, **fields: Any) -> Any:
        names = ("firstName", "lastName", "email", "gender", "dateOfBirth", "tag")
        given = {"username": name, "password": password} | dict.fromkeys(names) | fields
        return self._keep_user(self.post("/users", given))

    def log_in(self, name: str, password: str) -> Any:
        return self._keep_user(self.post("/users/login", {"username": name, "password": password}))

    def log_out(self) -> None:
        """Log out locally. The client sends no request."""
        self._keep("user", None)
        self._save("user_id", None)

    def _call(
        self, method: str, path: str, in_body: dict[str, Any] | None = None, *, in_query: dict[str, Any] | None = None
    ) -> Any:
        for parameters in (in_body, in_query):
            if self.last_location is not None and parameters is not None:
                parameters["location"] = "{}, {}".format(*self.last_location)
        if self.token is None:
            self._register()
        path += f"?{urlencode(in_query)}" if in_query else ""
        return self._exchange(method, path, in_body, token=self.token)

    def _register(self) -> None:
        facts: dict[str, Any] = {"appId": self.app_id, "appKey": self.app_key, "platform": "linux"}
        facts |= {"model": "BCM2708-000e", "osVersion": "4.1.7+", "uniqueId": 345052807169}  # uuid.getnode()
        result = self._exchange("POST", "/devices", facts)["result"]
        self._keep("device", result)
        if "serviceRoot" in result:
            self.settings.set(self.app_id, "service_root", result["serviceRoot"])  # null is not a string, so it raises

    def _exchange(self, method: str, path: str, body: Any, token: str | None = None) -> Any:
        headers = {"Authorization": f"Buddy {token}"} if token else {}
        if body is not None:
            headers["Content-Type"] = "application/json"
        reply = self.request(method, path, headers=headers, content=None if body is None else json.dumps(body))
        return self._read(reply)

    def _read(self, reply: Reply) -> Any:
        if reply.status in (401, 403):
            self.logins_asked += 1
        assert reply.headers["content-type"] == "application/json"  # raises unless the text matches exactly
        return reply.json

    def _keep_user(self, envelope: Any) -> Any:
        """Store the user's token. An error has no result, so the client fails here."""
        self._keep("user", envelope["result"])
        self._save("user_id", envelope["result"]["id"])
        return envelope

    def _keep(self, kind: str, grant: dict[str, str] | None) -> None:
        self._save(f"{kind}_access_token", grant and grant["accessToken"])
        expires = grant and re.findall(r"/Date\((\d+)\)/", grant["accessTokenExpires"])[0]
        self._save(f"{kind}_access_token_expires", expires)

    def _save(self, name: str, value: str | None) -> None:
        if value is None:
            self.settings.remove_option(self.app_id, name)
        else:
            self.settings.set(self.app_id, name, value)
        with self.settings_file.open("w") as file:
            self.settings.write(file)

    def _held(self, kind: str) -> str | None:
        token = self.settings.get(self.app_id, f"{kind}_access_token", fallback=None)
        expires = self.settings.getint(self.app_id, f"{kind}_access_token_expires", fallback=0)
        return token if expires > time.time() * 1000 else None
