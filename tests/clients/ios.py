"""The iOS client. It uses AFNetworking, knows errors by number, and reads an unknown status as "no internet"."""

import json
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from tests.clients.client import ACCESS_TOKEN_INVALID, APP_CREDENTIALS_INVALID, SDK, USER_TOKEN_REQUIRED, Result
from tests.phones import Reply, Transport
from users.clients import NewApp

GOOD = (200, 201)
READABLE = (400, 401, 402, 403, 404, 405, 500)
NO_INTERNET = "NoInternetError"


class IOSApp(SDK):
    # Every request has this content type, even without a body.
    headers = {
        "Accept": "application/json",
        "Accept-Encoding": "gzip, deflate",
        "Accept-Language": "en;q=1, de;q=0.9",
        "Content-Type": "application/json",
        "User-Agent": "PhotoGallery/1.0 (iPhone; iOS 8.4; Scale/2.00)",
    }

    def __init__(
        self, send: Transport, app: NewApp, *, vendor_id: str = "E621E1F8-C36C-495A-93FC-0C247A3E6E5F"
    ) -> None:
        super().__init__(send, app)
        self.vendor_id = vendor_id
        self.device_token: str | None = None
        self.user_token: str | None = None
        self.push_token: str | None = None
        self.logins_shown = 0
        self.connected = True
        self.call("PATCH", "devices/current", {"OSVersion": "8.4"})  # each start reports a new version of the system

    @property
    def token(self) -> str | None:
        return self.user_token or self.device_token

    def call(self, method: str, path: str, parameters: dict[str, Any] | None = None) -> Result:
        """Make a call. The client registers the device first if it has no token, and goes on if that fails."""
        if not self.device_token:
            self._register()
        return self._exchange(method, path, parameters or {})

    def create_user(self, name: str, password: str, **fields: Any) -> Result:
        """Create a user. ``fields`` have the client's spelling: `firstname`, `dateofbirth`."""
        return self._keep_user(self.call("POST", "/users", {"username": name, "password": password} | fields))

    def log_in(self, name: str, password: str) -> Result:
        return self._keep_user(self.call("POST", "users/login", {"username": name, "password": password}))

    def log_out(self) -> Result:
        """Log out. The client ignores the token of the answer and goes back to the token of its registration."""
        result = self.call("POST", "users/me/logout")
        if not result.error:
            self.user_token = None
        return result

    def set_push_token(self, token: str) -> Result:
        self.push_token = token
        return self.call("PATCH", "devices/current", {"pushToken": token})

    def _register(self) -> None:
        facts = {"appId": self.app_id, "appKey": self.app_key, "Platform": "iOS", "UniqueId": self.vendor_id}
        facts |= {"Model": "iPhone7,2", "OSVersion": "8.4", "DeviceToken": self.push_token}
        result = self._exchange("POST", "devices", facts | {"AppVersion": None, "Tag": None})
        if not result.error:
            assert self.knows_the_server(result.value)  # otherwise the app would wait forever
            self.device_token = result.value["accessToken"]

    def _exchange(self, method: str, path: str, parameters: dict[str, Any]) -> Result:
        path = f"/{path.removeprefix('/')}"
        headers = {"Authorization": self.authorization(self.token, method, path)} if self.token else {}
        content = None
        if method in ("GET", "DELETE"):
            path += f"?{urlencode(parameters)}"  # without parameters it sends a bare question mark
        else:
            content = to_nsjson(parameters)
        result = self._read(self.request(method, path, headers=headers, content=content))
        if result.error == NO_INTERNET and self.connected:
            # It sends pings, with growing pauses, until the answer is none of these errors.
            self.connected = False
            self.connected = self.call("GET", "/service/ping").error is None
        elif result.number == USER_TOKEN_REQUIRED:
            self.user_token = None
            self.logins_shown += 1
        elif result.number in (ACCESS_TOKEN_INVALID, APP_CREDENTIALS_INVALID):
            self.device_token = self.user_token = None
        return result

    @staticmethod
    def _read(reply: Reply) -> Result:
        if reply.status in GOOD:
            assert reply.headers["content-type"].split(";")[0] in ("application/json", "text/json", "text/javascript")
            result = reply.json["result"]
            assert not isinstance(result, dict) or result.get("serviceRoot", "") is not None  # NSNull is not a URL
            return Result(result)
        if reply.status in READABLE:
            return Result(reply.json["message"], reply.json["error"], reply.json["errorNumber"])
        return Result(None, NO_INTERNET, reply.status)

    def _keep_user(self, result: Result) -> Result:
        if not result.error:
            self.user_token = result.value["accessToken"]
        return result


def to_nsjson(parameters: dict[str, Any]) -> str:
    given = {name: _wire_date(value) if isinstance(value, datetime) else value for name, value in parameters.items()}
    return json.dumps(given, separators=(",", ":"), ensure_ascii=False).replace("/", "\\/")


def _wire_date(moment: datetime) -> str:
    return f"/Date({int(moment.timestamp() * 1000)})/"
