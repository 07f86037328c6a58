"""ZapAuth's public keys (RFC 7517): fetched when they are needed, and never used when they are old."""

import json
import threading
import time
from collections.abc import Mapping
from typing import Any, Final

import jwt

from zapauth_client.connections import Connections, NoAnswer, renew_after_fork
from zapauth_client.errors import Unavailable

ALGORITHM: Final = "ES256"
_FRESH = 300.0  # seconds. The service says the same in Cache-Control
_OLDEST = 600.0  # a key that was withdrawn works no longer than this
_AGAIN = 10.0  # after a fetch, wait this long: anybody can send a token with an unknown key


class Keys:
    """The keys of one service, by `kid`. Threads may share it."""

    def __init__(self, url: str, *, timeout: float) -> None:
        self._connections = Connections(url, timeout=timeout)
        self._timeout = timeout
        self._keys: Mapping[str, jwt.PyJWK] = {}
        self._fetched_at = self._tried_at = float("-inf")
        self.renew()
        renew_after_fork(self)

    def renew(self) -> None:
        """Make a new lock."""
        self._lock = threading.Lock()

    def key(self, kid: str) -> jwt.PyJWK | None:
        """Return the key of that name, or None if there is none. Raises: Unavailable."""
        now = time.monotonic()
        age = now - self._fetched_at
        if kid not in self._keys or age > _FRESH:
            self._fetch(is_needed=kid not in self._keys or age > _OLDEST)
        if now - self._fetched_at > _OLDEST:
            raise Unavailable("the keys can't be fetched")
        key = self._keys.get(kid)
        if key is None and self._fetched_at < now:
            raise Unavailable("an unknown key, which may be a new one")
        return key

    def _fetch(self, *, is_needed: bool) -> None:
        """Fetch the keys, unless somebody has just tried. If they are needed, wait for another thread that fetches."""
        if not self._lock.acquire(timeout=self._timeout if is_needed else 0):
            return
        try:
            now = time.monotonic()
            if now - self._tried_at < _AGAIN:
                return
            self._tried_at = now
            self._keys = self._read()
            self._fetched_at = now
        except (NoAnswer, ValueError):
            return
        finally:
            self._lock.release()

    def _read(self) -> dict[str, jwt.PyJWK]:
        """Fetch the keys. Raises: NoAnswer, ValueError."""
        answer = self._connections.get({"Accept": "application/json"})
        if answer.status != 200:
            raise NoAnswer(f"status {answer.status}")
        try:
            return {key["kid"]: jwt.PyJWK(key, ALGORITHM) for key in json.loads(answer.body)["keys"] if _is_usable(key)}
        except (KeyError, TypeError, AttributeError, RecursionError, jwt.PyJWTError) as error:
            raise ValueError("not a set of keys") from error


def _is_usable(key: Mapping[str, Any]) -> bool:
    """Return whether the key verifies ES256 signatures. Others may stand beside it."""
    return (
        (key.get("kty"), key.get("crv")) == ("EC", "P-256")
        and isinstance(key.get("kid"), str)
        and key.get("use", "sig") == "sig"
        and key.get("alg", ALGORITHM) == ALGORITHM
    )
