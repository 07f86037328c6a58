"""Stories: sequences of calls that follow the links of the description, each with the right token."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, ClassVar

import requests
from django.db import connection
from schemathesis import Case, Response
from schemathesis.core.failures import FailureGroup

from sessions.devices import open_device_session
from sessions.login.on_device import log_in_on_device
from tests.phones import PASSWORD
from tests.schema.callers import Caller, dialect_of, session_of, zap_login
from tests.schema.checks import checks_for
from tests.schema.document import api
from users.clients import NewApp
from users.models import Device, User
from users.origin import Origin

# If these succeed, the token of the call is refused afterwards.
LOGOUTS = {"zapLogOut", "zapLogOutOfWeb", "zapDeleteUser", "buddyLogOut", "buddyDeleteUser", "buddyDeleteOwnUser"}
# Valid values that cannot be drawn. They are used every other time.
KNOWN = {
    "zapLogIn": {"identity": "story", "password": PASSWORD},
    "zapLogOut": {"deviceToken": "story"},
    "buddyLogIn": {"username": "story", "password": PASSWORD},
}
# Services have no stories: each of their calls stands alone.
SERVICES = r"^/(verify|oauth|push|events|\.well-known)(/|$)"
Machine = api(max_examples=1).exclude(path_regex=SERVICES).as_state_machine()


@dataclass
class Purse:
    """The tokens of one dialect that a story has received."""

    of_user: dict[str, str] = field(default_factory=dict)
    app_level: str = ""
    dead: list[str] = field(default_factory=list)

    def token_for(self, user_id: str | None) -> str:
        return self.of_user.get(user_id or "") or next(reversed(self.of_user.values()), "") or self.app_level

    def bury(self, token: str) -> None:
        self.of_user = {user_id: each for user_id, each in self.of_user.items() if each != token}
        self.dead.append(token)


class Story(Machine):
    """A sequence of calls that ends with a logout. Then its token is tried again, and must be refused."""

    base_url: ClassVar[str]
    app: ClassVar[NewApp]
    wire: ClassVar[requests.Session]
    problems: ClassVar[dict[Any, str]]
    answered: ClassVar[Counter]  # by operation and status

    def setup(self) -> None:
        # Hypothesis repeats a part of a story, and must find the same data then.
        with connection.cursor() as cursor:
            cursor.execute(f"TRUNCATE {User._meta.db_table}, {Device._meta.db_table} CASCADE")
        self.purses = {"zap": Purse(), "buddy": Purse()}
        self.token, self.is_dead, self.steps = "", False, 0
        # A user is logged in with both dialects, so that a story can begin with any call.
        user = User.objects.create_user("story", PASSWORD, email="story@example.org")
        device = open_device_session(self.app.app, unique_id=None, push_token=None, platform="Test", origin=Origin())
        on_device = log_in_on_device(user, current=session_of(device), origin=Origin())
        self.purses["zap"].of_user[user.pk] = zap_login(user).access_token
        self.purses["buddy"].of_user[user.pk] = on_device.access_token
        self.purses["buddy"].app_level = device.access_token

    def before_call(self, case: Case) -> None:
        self.steps += 1
        known = KNOWN.get(case.operation.definition.raw["operationId"], {})
        if known and isinstance(case.body, dict) and self.steps % 2:
            case.body = case.body | known
        own = next(reversed(self.purses["zap"].of_user), None)
        if own and self.steps % 2 and dialect_of(case) == "zap" and "id" in case.path_parameters:
            case.path_parameters["id"] = own
        if case.operation.definition.raw["operationId"] == "buddyRegisterDevice" and isinstance(case.body, dict):
            case.body = case.body | {"appId": self.app.app.pk, "appKey": self.app.key}

    def get_call_kwargs(self, case: Case) -> dict[str, Any]:
        dialect, secured = dialect_of(case), bool(case.operation.definition.raw["security"])
        purse = self.purses[dialect]
        # Registration in ZAP accepts a token, but an ordinary user's token does not help.
        self.is_dead = secured and bool(purse.dead)
        self.token = purse.dead.pop() if self.is_dead else purse.token_for(case.path_parameters.get("id"))
        scheme = "Bearer" if dialect == "zap" else "Buddy"
        headers = {"Authorization": f"{scheme} {self.token}"} if secured and self.token else {}
        return {"base_url": self.base_url, "headers": headers, "session": self.wire, "timeout": 30}

    def after_call(self, response: Response, case: Case) -> None:
        super().after_call(response, case)
        operation_id = case.operation.definition.raw["operationId"]
        self.answered[operation_id, response.status_code] += 1
        if response.status_code >= 300:
            return
        purse, body = self.purses[dialect_of(case)], response.json()
        if operation_id in LOGOUTS:
            purse.bury(self.token)
        if operation_id == "zapLogIn":
            purse.of_user[body["data"]["data"]["id"]] = body["data"]["token"]
        elif operation_id in ("buddyRegister", "buddyLogIn"):
            purse.of_user.clear()  # a device has only one user at a time
            purse.of_user[body["result"]["id"]] = body["result"]["accessToken"]
        elif operation_id in ("buddyRegisterDevice", "buddyLogOut"):
            purse.app_level = body["result"]["accessToken"]

    def validate_response(self, response: Response, case: Case, *args: Any, **kwargs: Any) -> None:
        caller = Caller("nobody", authorization=self.token) if self.is_dead or not self.token else Caller("own")
        try:
            kwargs.pop("additional_checks", None)
            case.validate_response(
                response, checks=checks_for(caller), transport_kwargs=kwargs or None, recorder=self.recorder
            )
        except FailureGroup as group:
            for failure in group.exceptions:
                self.problems.setdefault((failure.title, failure.message), str(group))
