"""What a client of each dialect does with its tokens: the requests that the canary repeats."""

from collections.abc import Callable
from dataclasses import dataclass

from sessions.upkeep.canary import CanarySession, open_buddy_session, open_zap_session


@dataclass(frozen=True)
class Probe:
    """A request that is accepted while its session lives. ``token`` is the value of `Authorization`."""

    kind: str
    method: str
    path: str
    token: str = ""
    body: dict[str, str] | None = None


REFRESH = "refresh"


@dataclass(frozen=True)
class Dialect:
    """A dialect, and how its clients read and log out."""

    name: str
    open: Callable[[], CanarySession]
    scheme: str
    read_path: str
    logout: tuple[str, str]  # method and path

    def read(self, token: str, kind: str = "read") -> Probe:
        return Probe(kind, "GET", self.read_path, f"{self.scheme} {token}")

    def probes(self, session: CanarySession) -> list[Probe]:
        """Return one request for each way in which a token is accepted."""
        gate = Probe("gate", "GET", "/verify", f"Bearer {session.access_token}")
        return [self.read(session.access_token), gate]

    def log_out(self, session: CanarySession) -> Probe:
        method, path = self.logout
        return Probe("logout", method, path.format(user=session.user_id), f"{self.scheme} {session.access_token}")


def refresh(token: str) -> Probe:
    return Probe(REFRESH, "POST", "/v1/refresh", body={"refreshToken": token})


ZAP = Dialect("zap", open_zap_session, "Bearer", "/v1/users/token", ("GET", "/v1/users/logout/{user}"))
BUDDY = Dialect("buddy", open_buddy_session, "Buddy", "/users/me", ("POST", "/users/me/logout"))
DIALECTS = (ZAP, BUDDY)
