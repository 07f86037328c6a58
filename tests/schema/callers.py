"""The callers of all dialects: users, staff, services and strangers, with valid and invalid credentials, and targets.

Random parameters would only be refused, because nobody guesses a password. So well-formed cases get the values of
existing objects.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from schemathesis import Case
from schemathesis.core.parameters import ParameterLocation

from sessions.authentication import get_live_session
from sessions.devices import open_device_session
from sessions.login.on_device import log_in_on_device
from sessions.login.with_refresh import log_in_with_refresh
from sessions.logout import log_out
from sessions.models import Session
from sessions.tokens.grant import Grant
from sessions.tokens.jwt import AnyAccessToken
from tests.phones import PASSWORD
from tests.services.backends import new_backend
from users.clients import NewApp, create_app
from users.models import Access, User
from users.origin import Origin
from users.reset_codes import Purpose, issue_code
from zapauth.buddy.signatures import request_signature
from zapauth.request_facts import is_service

# Each request is sent twice: by a caller who may send it, and by one of the other callers in turn.
ROLES = {"zap": ("own", "staff"), "buddy": ("own", "app", "own", "signed"), "services": ("own",)}
OTHERS = {
    "zap": ("staff", "stranger", "nobody"),
    "buddy": ("staff", "stranger", "nobody", "app"),
    "services": ("stranger", "nobody"),
}
# Values of `Authorization` that are refused. {ended}: a token of an ended session. {other}: one of the other dialect.
BAD = ("", "Bearer", "Basic YTpi", "Bearer x.y.z", "Bearer {ended}", "Bearer {other}", "Bearer {ended} {other} x")
PROFILE = {
    "name": "Änne Example",
    "first_name": "Änne",
    "last_name": "Example",
    "gender": "female",
    "date_of_birth": datetime(1960, 2, 29, tzinfo=UTC),
    "tag": "a tag",
    "latitude": 0.0,
    "longitude": -122.33,
    "role_id": "63fc98989ffb63cf5cdd0587",
    "email_verified": True,
    "ip_addresses": ["2001:db8::1", "192.0.2.1"],
}
_numbers = itertools.count(1)


def session_of(grant: Grant) -> Session:
    return get_live_session(AnyAccessToken.read(grant.access_token))


@dataclass
class Caller:
    role: str
    authorization: str = ""  # the whole header, for a caller without a token
    user: User | None = None
    target: User | None = None  # the user that the call is about
    grant: Grant | None = None
    secret: str | None = None  # the shared secret of a signed app

    def headers(self, case: Case) -> dict[str, str]:
        authorization = self.authorization
        if self.grant is not None:
            words = ["Bearer" if dialect_of(case) == "zap" else "Buddy", self.grant.access_token]
            if self.secret is not None:
                facts = {"method": case.method, "app_id": session_of(self.grant).app_id, "path": case.formatted_path}
                words.append(request_signature(self.secret, **facts))
            authorization = " ".join(words)
        return {"Authorization": authorization} if authorization else {}


@dataclass
class World:
    """The data on the server. It is made when it is needed, and again after a call has used it up."""

    app: NewApp = field(default_factory=lambda: create_app("Plain"))
    signed_app: NewApp = field(default_factory=lambda: create_app("Signed", signed=True))
    turn: int = 0
    kept: dict[tuple[str, str], Caller] = field(default_factory=dict)
    refused: dict[str, dict[str, str]] = field(default_factory=dict)  # by dialect: tokens for `BAD`

    def next_callers(self, case: Case) -> list[Caller]:
        dialect = dialect_of(case)
        self.turn += 1
        roles = [of[dialect][self.turn % len(of[dialect])] for of in (ROLES, OTHERS)]
        return [self.bad(dialect, case) if role == "nobody" else self.caller(dialect, role) for role in roles]

    def anybody(self, case: Case) -> Caller:
        return self.caller(dialect_of(case), "own")

    def caller(self, dialect: str, role: str) -> Caller:
        if (dialect, role) not in self.kept:
            self.kept[dialect, role] = getattr(self, dialect)(role)
        return self.kept[dialect, role]

    def settle(self, case: Case, caller: Caller, status: int) -> None:
        """Forget a caller whose data ``case`` may have used up. The next such case gets a new one."""
        if status < 300 and (case.method != "GET" or "/logout/" in case.path):
            self.kept = {key: kept for key, kept in self.kept.items() if kept is not caller}

    def user(self, **fields: Any) -> User:
        number = next(_numbers)
        known: dict[str, Any] = {"email": f"u{number}@example.org", "phone_number": f"+{number:010}"}
        if number % 2:  # the other half has no optional fields
            known |= PROFILE
        return User.objects.create_user(f"u{number}", PASSWORD, **known | fields)

    def zap(self, role: str) -> Caller:
        user = self.user(is_superuser=role == "staff", is_staff=role == "staff")
        target = user if role == "own" else self.user()
        if role == "staff":
            zap_login(target)
        return Caller(role, user=user, target=target, grant=zap_login(user))

    def buddy(self, role: str) -> Caller:
        app = self.signed_app if role == "signed" else self.app
        device = open_device_session(app.app, unique_id=None, push_token=None, platform="Test", origin=Origin())
        if role == "app":
            return Caller(role, grant=device)
        user = self.user(is_superuser=role == "staff", is_staff=role == "staff")
        target = self.user() if role in ("staff", "stranger") else user
        grant = log_in_on_device(user, current=session_of(device), origin=Origin())
        return Caller(role, user=user, target=target, grant=grant, secret=app.shared_secret)

    def services(self, role: str) -> Caller:
        reach = Access.NONE if role == "stranger" else Access.ALL
        backend = new_backend(token_access=reach, push_access=reach, event_access=reach)
        return Caller(role, authorization=backend.basic())

    def bad(self, dialect: str, case: Case) -> Caller:
        # At the gate a token of either dialect is a good one.
        kinds = [kind for kind in BAD if case.path != "/verify" or kind != "Bearer {other}"]
        kind = kinds[self.turn // len(OTHERS[dialect]) % len(kinds)]
        if "{" in kind:
            if dialect not in self.refused:
                self.refused[dialect] = self._tokens_that_are_refused(dialect)
            kind = kind.format(**self.refused[dialect])
        return Caller("nobody", authorization=kind)

    def _tokens_that_are_refused(self, dialect: str) -> dict[str, str]:
        grant, others = zap_login(self.user()), self.buddy("own") if dialect == "zap" else self.zap("own")
        log_out(session_of(grant))
        assert others.grant is not None
        return {"ended": grant.access_token, "other": others.grant.access_token}


def dialect_of(case: Case) -> str:
    if case.path.startswith("/v1/"):
        return "zap"
    # The gate takes the tokens of clients.
    return "services" if is_service(case.path) and case.path != "/verify" else "buddy"


def zap_login(user: User) -> Grant:
    return log_in_with_refresh(user, device_token=f"push of {user.pk}", origin=Origin())


def aim(case: Case, caller: Caller, world: World) -> None:
    """Replace well-formed drawn values by those of existing objects."""
    user = caller.target or caller.user
    if "id" in case.path_parameters and user is not None and is_well_formed(case, ParameterLocation.PATH):
        case.path_parameters["id"] = user.pk
        newest = Session.objects.filter(user=user, ended_at=None).order_by("created_at").last()
        if "sid" in case.path_parameters and newest is not None:
            case.path_parameters["sid"] = str(newest.pk)
    aimed = AIMS.get(case.operation.definition.raw["operationId"])
    if aimed and isinstance(case.body, dict) and is_well_formed(case, ParameterLocation.BODY):
        case.body = case.body | aimed(caller.user or world.user(), world.app)


def is_well_formed(case: Case, location: ParameterLocation) -> bool:
    meta = case.meta
    return meta is None or location not in meta.components or meta.components[location].mode.is_positive


def _newcomer() -> dict[str, Any]:
    """Return the name and email of a new user at every second call. Otherwise the case uses an existing user."""
    number = next(_numbers)
    return {"username": f"new_{number}", "email": f"new{number}@example.org"} if number % 2 else {}


AIMS: dict[str, Callable[[User, NewApp], dict[str, Any]]] = {
    "zapRegister": lambda _user, _app: _newcomer() | {"phoneNumber": None},
    "zapLogIn": lambda user, _: {"identity": user.username, "password": PASSWORD},
    "zapRefresh": lambda user, _: {"refreshToken": zap_login(user).refresh_token},
    "zapChangePassword": lambda user, _: {"userId": user.pk, "email": user.email, "oldPassword": PASSWORD},
    "zapResetPassword": lambda user, _: {"identity": user.email, "otp": issue_code(user)},
    "zapAskForEmailCode": lambda user, _: {"email": user.email, "userId": user.pk},
    "zapVerifyEmail": lambda user, _: {"identity": user.email, "otp": issue_code(user, purpose=Purpose.EMAIL)},
    "introspect": lambda user, _: {"token": zap_login(user).access_token},
    "revoke": lambda user, _: {"token": zap_login(user).refresh_token},
    "buddyRegisterDevice": lambda _, app: {"appId": app.app.pk, "appKey": app.key},
    "buddyRegister": lambda _user, _app: _newcomer(),
    "buddyLogIn": lambda user, _: {"username": user.username, "password": PASSWORD},
    "buddyResetPassword": lambda user, _: {"userName": user.username, "resetCode": issue_code(user)},
}
