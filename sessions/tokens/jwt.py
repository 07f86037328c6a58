"""The JWTs: user access, app access and refresh tokens. simplejwt's token classes with ES256 keys.

Claims are a wire format (RFC 7519 §4.1): `iss`, `aud` (the app's id), `sub` (the user's id, or
the app's), `sid` (the session), `jti`, `iat`, `exp`, `token_type`; nothing personal. Add, never rename.
Access tokens also have `client_id`, the app's id again (RFC 9068 §2.2).
"""

import json
from datetime import datetime, timedelta
from functools import cache, lru_cache
from typing import Any, Self, cast
from uuid import UUID

import jwt
from django.conf import settings
from jwt.types import Options
from jwt.utils import base64url_encode
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.exceptions import TokenBackendError
from rest_framework_simplejwt.exceptions import TokenError as SimpleJWTError
from rest_framework_simplejwt.tokens import BlacklistMixin, Token
from rest_framework_simplejwt.utils import datetime_from_epoch

from sessions.errors import TokenInvalid
from sessions.models import Session
from sessions.tokens.keys import KeyRing, key_ring

# Every token has these. `client_id` is not one of them: access tokens of earlier versions go on working without it.
CLAIMS = ("iss", "aud", "sub", "sid", "jti", "iat", "exp", "token_type")
ALGORITHM = "ES256"
ACCESS, REFRESH = "at+jwt", "refresh+jwt"  # `typ`: RFC 9068 §2.1, RFC 8725 §3.11
# PyJWT checks the times by this host's clock, and we know the audience only after we have found the session. So
# `SessionToken` checks these itself.
_CHECKED: Options = {"require": list(CLAIMS), "verify_exp": False, "verify_iat": False, "verify_aud": False}


class KeyedTokenBackend(TokenBackend):
    """simplejwt's backend with several keys, chosen by `kid`, and a `typ` in the header.

    It does not check `exp`: `SessionToken.is_expired` does, with the database's time.
    """

    def __init__(self, typ: str) -> None:
        super().__init__(ALGORITHM)
        self.typ = typ

    def encode(self, payload: dict[str, Any]) -> str:
        keys = key_ring(settings.SIGNING_KEYS)
        claims = payload | {"iss": settings.TOKEN_ISSUER}
        return jwt.encode(claims, keys.signing, ALGORITHM, headers={"kid": keys.signing_kid, "typ": self.typ})

    def decode(self, token: Any, verify: bool = True) -> dict[str, Any]:
        # Only access tokens are cached: a client sends the same one with each request, but a refresh token only once.
        verified = _verified_before if self.typ == ACCESS else _verified
        issuers = settings.TOKEN_ISSUER, *settings.EARLIER_TOKEN_ISSUERS
        return dict(verified(token, self.typ, key_ring(settings.SIGNING_KEYS), issuers))


def _verified(token: str, typ: str, keys: KeyRing, issuers: tuple[str, ...]) -> dict[str, Any]:
    """Return the claims of a token that one of our keys has signed. Raises: TokenBackendError."""
    try:
        kid = _kids_by_header(typ, keys)[token.partition(".")[0]]
        claims = jwt.decode(token, keys.verifying[kid], [ALGORITHM], issuer=issuers, options=_CHECKED)
    except (jwt.InvalidTokenError, KeyError, ValueError) as error:
        raise TokenBackendError("the token is invalid") from error
    if not isinstance(claims["exp"], int):
        raise TokenBackendError("`exp` is no number")
    return claims


# A valid signature may be cached; expiry and session are still checked on every request. An entry takes about 2 kB.
_verified_before = lru_cache(maxsize=4096)(_verified)


@lru_cache(maxsize=16)
def _kids_by_header(typ: str, keys: KeyRing) -> dict[str, str]:
    """Map each token header that we write, in base64, to its `kid`. No other header is parsed (RFC 8725 §3.1)."""
    return {_segment({"alg": ALGORITHM, "kid": kid, "typ": typ}): kid for kid in keys.verifying}


def _segment(header: dict[str, str]) -> str:
    return base64url_encode(json.dumps(header, separators=(",", ":")).encode()).decode()


@cache
def _backend(typ: str) -> KeyedTokenBackend:
    return KeyedTokenBackend(typ)


class SessionToken(Token):
    """A token of one session, `sid`. Base class of the three kinds."""

    typ = ACCESS
    lifetime = timedelta(0)  # every token gets its `exp` when it is made

    def get_token_backend(self) -> TokenBackend:
        return _backend(self.typ)

    def verify(self) -> None:
        # The backend has checked that all claims are present.
        self.verify_token_type()

    @classmethod
    def read(cls, raw: str) -> Self:
        """Verify the signature, issuer and type of ``raw``.

        It may have expired, or its session may have ended: `sessions.authentication.get_live_session` checks that.

        Raises: TokenInvalid.
        """
        try:
            return cls(cast(Any, raw))
        except SimpleJWTError as error:
            raise TokenInvalid from error

    @classmethod
    def for_session(cls, session: Session, *, issued_at: datetime, expires_at: datetime) -> Self:
        """Make a new token of ``session``. It expires with the session at the latest. Both times are the database's."""
        until = min(expires_at, session.expires_at)
        return cls.issue(
            session_id=session.pk,
            app_id=session.app_id,
            user_id=session.user_id,
            issued_at=issued_at,
            expires_at=until,
        )

    @classmethod
    def issue(
        cls, *, session_id: UUID, app_id: str, user_id: str | None, issued_at: datetime, expires_at: datetime
    ) -> Self:
        """Make a new token of that session. Both times are the database's."""
        token = cls()
        token["aud"] = app_id
        token["sub"] = user_id or app_id
        if cls.typ == ACCESS:
            token["client_id"] = app_id
        token["sid"] = str(session_id)
        token.set_iat(at_time=issued_at)
        token.set_exp(from_time=expires_at, lifetime=timedelta(0))
        return token

    @property
    def session_id(self) -> UUID:
        """The id of the token's session. Raises: TokenInvalid."""
        try:
            return UUID(self["sid"])
        except (ValueError, AttributeError, TypeError) as error:
            raise TokenInvalid from error

    @property
    def expires_at(self) -> datetime:
        return datetime_from_epoch(self["exp"])

    def is_expired(self, now: datetime) -> bool:
        """Return whether the token has expired at ``now``, the database's time (RFC 7519 §4.1.4: "on or after")."""
        return bool(self["exp"] <= now.timestamp())

    def speaks_for(self, session: Session) -> bool:
        """Return whether audience and subject are this session's (RFC 8725 §3.9). A browser's session has no tokens."""
        if session.app.uses_cookies:
            return False
        return bool(self["aud"] == session.app_id and self["sub"] == (session.user_id or session.app_id))


class UserAccessToken(SessionToken):
    token_type = "access"


class AppAccessToken(SessionToken):
    token_type = "app_access"


class AnyAccessToken(SessionToken):
    """A user-level or an app-level access token. For reading only."""

    token_type = "any"

    def verify_token_type(self) -> None:
        if self["token_type"] not in (UserAccessToken.token_type, AppAccessToken.token_type):
            raise SimpleJWTError("Token has wrong type")

    def speaks_for(self, session: Session) -> bool:
        kind = AppAccessToken if session.is_app_level else UserAccessToken
        return self["token_type"] == kind.token_type and super().speaks_for(session)


class RefreshToken(BlacklistMixin[Any], SessionToken):
    """A client exchanges it for the next access token. simplejwt's tables store its `jti`, but not its text."""

    token_type = "refresh"
    typ = REFRESH

    def verify(self) -> None:
        # Without the mixin's check of the blacklist. Used tokens are on it, too, and `sessions.refresh` treats
        # them in another way than revoked ones.
        SessionToken.verify(self)


def read_token(raw: str) -> AnyAccessToken | RefreshToken:
    """Verify a token of any kind, as `SessionToken.read` does. Raises: TokenInvalid."""
    refresh_headers = _kids_by_header(REFRESH, key_ring(settings.SIGNING_KEYS))
    return (RefreshToken if raw.partition(".")[0] in refresh_headers else AnyAccessToken).read(raw)
