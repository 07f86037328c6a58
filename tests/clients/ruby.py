"""The Ruby client. It sends forms only, keeps no state, and raises an exception for every failure."""

from typing import Any
from urllib.parse import quote_plus

from tests.clients.client import SDK
from tests.phones import Reply

NAMED = {
    "AuthAccessTokenInvalid",
    "ItemAlreadyExists",
    "ParameterIncorrectFormat",
    "ParameterMissingRequiredValue",
}


class RubyError(Exception):
    """Its text is the name of the exception that the client raises."""


class RubySite(SDK):
    """An app with the Ruby client. The app stores the tokens and passes one to each call."""

    headers = {
        "Accept-Encoding": "gzip;q=1.0,deflate;q=0.6,identity;q=0.3",
        "Accept": "*/*",
        "User-Agent": "Ruby",
        "Content-Type": "application/x-www-form-urlencoded",
    }

    def register(self, platform: str, **options: Any) -> Any:
        facts = {"appID": self.app_id, "appKey": self.app_key, "platform": platform}
        envelope = self._call("POST", "/devices", facts | options, success=201, told=(400,))
        assert "serviceRoot" not in envelope["result"]  # it raises NoMethodError for every one of these
        return envelope["result"]

    def update_device(self, token: str, **options: Any) -> bool:
        return bool(self._call("PATCH", "/devices/current", options, token, told=(401,)))

    def crash_report(self, token: str, stack_trace: str, **options: Any) -> bool:
        path, given = "/devices/current/crashreports", {"stackTrace": stack_trace} | options
        return bool(self._call("POST", path, given, token, success=201))

    def create(self, token: str, name: str, password: str, **options: Any) -> Any:
        return self._call("POST", "/users", {"userName": name, "password": password} | options, token)["result"]

    def login(self, token: str, name: str, password: str) -> Any:
        return self._call("POST", "/users/login", {"userName": name, "password": password}, token)["result"]

    def logout(self, token: str) -> Any:
        return self._call("POST", "/users/me/logout", {}, token)["result"]

    def update(self, token: str, user_id: str, **options: Any) -> bool:
        return bool(self._call("PATCH", f"/users/{user_id}", options, token))

    def ask_for_reset_code(self, token: str, name: str, subject: str, body: str) -> bool:
        asked = {"userName": name, "subject": subject, "body": body}
        return bool(self._call("POST", "/users/password", asked, token))

    def reset_password(self, token: str, name: str, code: str, new_password: str) -> bool:
        given = {"userName": name, "resetCode": code, "newPassword": new_password}
        return bool(self._call("PATCH", "/users/password", given, token))

    def _call(
        self,
        method: str,
        path: str,
        options: dict[str, Any],
        token: str | None = None,
        *,
        success: int = 200,
        told: tuple[int, ...] = (400, 401),
    ) -> Any:
        headers = {"Authorization": f"Buddy {token}"} if token else {}
        reply: Reply = self.request(method, path, headers=headers, content=to_form(options))
        envelope = reply.json  # the client reads this first, so it must be present
        if reply.status in told:
            raise RubyError(envelope["error"] if envelope["error"] in NAMED else "UnknownError")
        if reply.status != success:
            raise RubyError("UnknownResponseCode")
        return envelope


def to_form(options: dict[str, Any]) -> str:
    """Encode parameters as a form. nil becomes a name with an empty value, a boolean becomes a word."""
    return "&".join(_field(name, value) for name, value in options.items())


def _field(name: str, value: Any) -> str:
    if value is None:
        return name
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"{name}={quote_plus(text, safe='*').replace('~', '%7E')}"
