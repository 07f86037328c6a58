"""Check tokens by ZapAuth's public keys alone. A logged-out token is accepted until its `exp`.

With the default settings of ZapAuth that is up to 15 minutes after the logout. Use the gate wherever that is too long.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import jwt

from zapauth_client.errors import BAD_TOKEN, Forbidden, Refused
from zapauth_client.gate import TIMEOUT
from zapauth_client.keys import ALGORITHM, Keys
from zapauth_client.verdict import Level, Verdict

LONGEST: Final = timedelta(minutes=15)
_LONGEST_TOKEN = 8192  # characters
_REQUIRED = ["iss", "aud", "sub", "sid", "jti", "iat", "exp", "client_id", "token_type"]
_TYPES = ("at+jwt", "application/at+jwt")  # RFC 9068 §4
_MALFORMED = (jwt.PyJWTError, LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError)
_LEVELS: Mapping[str, Level] = {"access": "user", "app_access": "app"}  # by the claim `token_type`


class UntilExpiry:
    """Checks RFC 9068 access tokens. Make one for each process, and share it.

    ```python
    keys = UntilExpiry("https://auth.example.org/.well-known/jwks.json", issuer="https://auth.example.org", app=APP_ID)
    verdict = keys.verify_until_expiry(token)
    ```
    """

    def __init__(
        self,
        jwks_url: str,
        *,
        issuer: str,
        app: str | Iterable[str],
        level: Level | None = "user",
        longest: timedelta = LONGEST,
        timeout: float = TIMEOUT,
    ) -> None:
        """Prepare, without connecting. Raises: ValueError.

        Args:
            app: the id of the app whose tokens you accept, or several.
            longest: refuse tokens that live longer than this, such as Buddy's: it is the bound for logged-out tokens.
            timeout: seconds to fetch the keys.
        """
        self._apps = [app] if isinstance(app, str) else list(app)
        if not issuer or not self._apps or not all(self._apps):
            raise ValueError("name the issuer, and the app whose tokens you accept")
        if level not in ("user", None):
            raise ValueError("`level` is 'user' or None")
        self._issuer, self._level, self._longest = issuer, level, longest
        self._keys = Keys(jwks_url, timeout=timeout)

    def check_until_expiry(self, authorization: str | None) -> Verdict:
        """Check the header `Authorization`, as `verify_until_expiry` does. A `Buddy` with a signature is refused."""
        words = (authorization or "").split()
        if not words or words[0].lower() not in ("bearer", "buddy"):
            raise Refused
        if len(words) != 2:
            raise Refused(BAD_TOKEN)
        return self.verify_until_expiry(words[1])

    def verify_until_expiry(self, token: str) -> Verdict:
        """Verify the signature, `typ`, `iss`, `aud` and `exp` of a token, by this machine's clock.

        **The session may have ended meanwhile: nobody is asked.**

        Raises: Refused (401), Forbidden (403: an app-level token), Unavailable (503: the keys can't be fetched).
        """
        try:
            verdict = self._verdict(self._claims(token))
        except _MALFORMED as error:
            raise Refused(BAD_TOKEN) from error
        if self._level and verdict.level != self._level:
            raise Forbidden
        return verdict

    def _claims(self, token: str) -> dict[str, Any]:
        if len(token) > _LONGEST_TOKEN:
            raise ValueError("too long")
        header = jwt.get_unverified_header(token)
        # Only ZapAuth's access tokens have this header. Refresh tokens are signed by the same keys.
        if header["typ"].lower() not in _TYPES or header["alg"] != ALGORITHM or "crit" in header:
            raise ValueError("not an access token")
        # Before a key is looked for: an expired token of a key that is gone is refused, and no reason to fetch keys.
        jwt.decode(token, options={"verify_signature": False, "verify_exp": True, "require": _REQUIRED})
        key = self._keys.key(header["kid"])
        if key is None:
            raise ValueError("an unknown key")
        return jwt.decode(
            token,
            key,
            algorithms=[ALGORITHM],
            issuer=self._issuer,
            audience=self._apps,
            # A token may be younger than this machine's clock. `exp` alone bounds it.
            options={"require": _REQUIRED, "verify_iat": False},
        )

    def _verdict(self, claims: Mapping[str, Any]) -> Verdict:
        if claims["exp"] - claims["iat"] > self._longest.total_seconds():
            raise ValueError("it lives too long")
        level = _LEVELS[claims["token_type"]]
        if not isinstance(claims["aud"], str):
            raise ValueError("several audiences")
        return Verdict(
            user_id=str(claims["sub"]) if level == "user" else None,
            session_id=str(UUID(claims["sid"])),
            app_id=str(claims["aud"]),
            level=level,
            role=None,
            expires_at=datetime.fromtimestamp(claims["exp"], UTC),
            is_checked=False,
        )
