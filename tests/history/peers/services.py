"""The peers: how to log in, read, refresh and log out with each of them."""

import json
from base64 import b64encode
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from http.client import HTTPConnection, HTTPException
from typing import Any

from bench.logins import PASSWORD
from bench.projects import BLACKLISTED_ACCESS, KNOX, PLAIN_SIMPLEJWT, Project

LONGEST_CALL = 20  # seconds


@dataclass(frozen=True)
class Tokens:
    """What a client has after a log-in."""

    access: str
    refresh: str = ""


@dataclass(frozen=True)
class Answer:
    """``status`` is None if the connection broke before the answer was complete."""

    status: int | None
    facts: dict[str, Any]

    @property
    def is_good(self) -> bool:
        return self.status is not None and self.status < 300


class Http:
    """Calls a server. Each call has a connection of its own, so that any worker may answer."""

    def __init__(self, port: int) -> None:
        self._port = port

    def __call__(self, method: str, path: str, body: Any = None, *, authorization: str = "") -> Answer:
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if authorization:
            headers["Authorization"] = authorization
        content = None if body is None else json.dumps(body)
        try:
            with closing(HTTPConnection("127.0.0.1", self._port, timeout=LONGEST_CALL)) as connection:
                connection.request(method, path, body=content, headers=headers)
                response = connection.getresponse()
                text = response.read()
        except (OSError, HTTPException):
            return Answer(None, {})
        is_json = "json" in response.headers.get("Content-Type", "")
        return Answer(response.status, json.loads(text) if text and is_json else {})


@dataclass(frozen=True)
class Peer:
    """A project, and its calls. ``refresh`` is None if it has no refresh tokens."""

    name: str
    project: Project
    what: str
    log_in: Callable[[Http, str], tuple[Answer, Tokens]]
    log_out: Callable[[Http, Tokens], Answer]
    scheme: str = "Bearer"
    refresh: Callable[[Http, Tokens], tuple[Answer, Tokens]] | None = None

    def read(self, http: Http, tokens: Tokens) -> Answer:
        return http("GET", "/me/", authorization=f"{self.scheme} {tokens.access}")


def _log_in_to_simplejwt(http: Http, username: str) -> tuple[Answer, Tokens]:
    answer = http("POST", "/token/", {"username": username, "password": PASSWORD})
    return answer, Tokens(answer.facts.get("access", ""), answer.facts.get("refresh", ""))


def _refresh_at_simplejwt(http: Http, tokens: Tokens) -> tuple[Answer, Tokens]:
    answer = http("POST", "/token/refresh/", {"refresh": tokens.refresh})
    # The project rotates refresh tokens, so both tokens are new.
    return answer, Tokens(answer.facts.get("access", ""), answer.facts.get("refresh", ""))


def _blacklist(http: Http, tokens: Tokens) -> Answer:
    return http("POST", "/token/blacklist/", {"refresh": tokens.refresh})


def _blacklist_both(http: Http, tokens: Tokens) -> Answer:
    return http("POST", "/logout/", {"refresh": tokens.refresh}, authorization=f"Bearer {tokens.access}")


def _log_in_to_knox(http: Http, username: str) -> tuple[Answer, Tokens]:
    credentials = b64encode(f"{username}:{PASSWORD}".encode()).decode()
    answer = http("POST", "/login/", {}, authorization=f"Basic {credentials}")
    return answer, Tokens(answer.facts.get("token", ""))


def _log_out_of_knox(http: Http, tokens: Tokens) -> Answer:
    return http("POST", "/logout/", {}, authorization=f"Token {tokens.access}")


SIMPLEJWT = Peer(
    "simplejwt",
    PLAIN_SIMPLEJWT,
    "simplejwt: a logout blacklists the refresh token",
    log_in=_log_in_to_simplejwt,
    log_out=_blacklist,
    refresh=_refresh_at_simplejwt,
)
PEERS = {
    peer.name: peer
    for peer in (
        SIMPLEJWT,
        replace(
            SIMPLEJWT,
            name="blacklisted_access",
            project=BLACKLISTED_ACCESS,
            what="simplejwt with access tokens on its blacklist, too",
            log_out=_blacklist_both,
        ),
        Peer(
            "knox",
            KNOX,
            "django-rest-knox: opaque tokens; a logout deletes the token",
            log_in=_log_in_to_knox,
            log_out=_log_out_of_knox,
            scheme="Token",
        ),
    )
}
