"""The subjects: each is a project in one dialect, with the requests that it gets in each workload."""

from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass

from bench.load import Request, request
from bench.logins import PASSWORD, Login
from bench.projects import BARE, BLACKLISTED_ACCESS, DEFAULT, KNOX, PLAIN_SIMPLEJWT, ROTATING, Project


@dataclass(frozen=True)
class Subject:
    name: str
    project: Project
    mint: str  # the module:function that makes its logins
    calls: dict[str, Callable[[Login], Request]]  # by workload
    ends_access: bool = True  # whether an access token is refused after its logout

    @property
    def is_zapauth(self) -> bool:
        return self.project.is_zapauth


def _bearer(login: Login) -> str:
    return f"Bearer {login['access']}"


def _read_in_zap(login: Login) -> Request:
    return request("GET", "/v1/users/token", authorization=_bearer(login))


def _simplejwt_login(login: Login) -> Request:
    return request("POST", "/token/", body={"username": login["username"], "password": PASSWORD})


def _simplejwt_refresh(login: Login) -> Request:
    return request("POST", "/token/refresh/", body={"refresh": login["refresh"]})


def _zap_refresh(login: Login) -> Request:
    return request("POST", "/v1/refresh", body={"refreshToken": login["refresh"]})


ZAP = Subject(
    "ZapAuth, ZAP",
    DEFAULT,
    "bench.zapauth_logins:mint_zap",
    {
        "read": _read_in_zap,
        "gate": _read_in_zap,  # the read beside which the gate is measured
        "logout": lambda login: request(
            "PUT",
            f"/v1/users/logout/{login['user_id']}",
            authorization=_bearer(login),
            body={"deviceToken": login["device_token"]},
        ),
        # Most users log in again on the phone that they used before. So do these.
        "login": lambda login: request(
            "POST",
            "/v1/login",
            body={"identity": login["username"], "password": PASSWORD, "deviceToken": login["device_token"]},
        ),
        "refresh": _zap_refresh,
    },
)
ZAP_ROTATING = Subject("ZapAuth, ZAP, rotating", ROTATING, "bench.zapauth_logins:mint_zap", {"refresh": _zap_refresh})
BUDDY = Subject(
    "ZapAuth, Buddy",
    DEFAULT,
    "bench.zapauth_logins:mint_buddy",
    {
        "read": lambda login: request("GET", "/users/me", authorization=f"Buddy {login['access']}"),
        "logout": lambda login: request("POST", "/users/me/logout", authorization=f"Buddy {login['access']}"),
        # The user is already logged in on that phone. Their session continues, as the .NET client needs it.
        "login": lambda login: request(
            "POST",
            "/users/login",
            authorization=f"Buddy {login['app_access']}",
            body={"username": login["username"], "password": PASSWORD},
        ),
    },
)
# What other services ask about a token.
GATE = Subject(
    "ZapAuth, gate",
    DEFAULT,
    "bench.zapauth_logins:mint_zap",
    {"gate": lambda login: request("GET", "/verify?level=user", authorization=_bearer(login))},
)
INTROSPECTION = Subject(
    "ZapAuth, introspection",
    DEFAULT,
    "bench.zapauth_logins:mint_introspected",
    {
        "gate": lambda login: request(
            "POST", "/oauth/introspect", authorization=f"Basic {login['service']}", form={"token": login["access"]}
        )
    },
)
SIMPLEJWT = Subject(
    "plain simplejwt",
    PLAIN_SIMPLEJWT,
    "bench.baselines.plain_simplejwt.logins:mint",
    {
        "read": lambda login: request("GET", "/me/", authorization=_bearer(login)),
        "logout": lambda login: request("POST", "/token/blacklist/", body={"refresh": login["refresh"]}),
        "login": _simplejwt_login,
        "refresh": _simplejwt_refresh,
    },
    ends_access=False,
)
BLACKLISTED = Subject(
    "blacklisted access tokens",
    BLACKLISTED_ACCESS,
    "bench.baselines.blacklisted_access.logins:mint",
    {
        "read": lambda login: request("GET", "/me/", authorization=_bearer(login)),
        "logout": lambda login: request(
            "POST", "/logout/", authorization=_bearer(login), body={"refresh": login["refresh"]}, status=204
        ),
        "login": _simplejwt_login,
        "refresh": _simplejwt_refresh,
    },
)
KNOX_TOKENS = Subject(
    "knox",
    KNOX,
    "bench.baselines.knox.logins:mint",
    {
        "read": lambda login: request("GET", "/me/", authorization=f"Token {login['access']}"),
        "logout": lambda login: request("POST", "/logout/", authorization=f"Token {login['access']}", status=204),
        "login": lambda login: request("POST", "/login/", authorization=f"Basic {_basic(login)}"),
    },
)
BARE_VIEW = Subject(
    "bare view",
    BARE,
    "bench.baselines.bare.logins:mint",
    {"read": lambda _: request("GET", "/me/")},
)
SUBJECTS = (BARE_VIEW, ZAP, ZAP_ROTATING, BUDDY, GATE, INTROSPECTION, SIMPLEJWT, BLACKLISTED, KNOX_TOKENS)


def _basic(login: Login) -> str:
    return b64encode(f"{login['username']}:{PASSWORD}".encode()).decode()
