"""The tokens that a client gets when a session is opened or refreshed."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from sessions.tokens.jwt import RefreshToken, SessionToken


@dataclass(frozen=True)
class Grant:
    """A new access token with its expiry, and perhaps a new refresh token."""

    access_token: str
    access_expires_at: datetime
    refresh_token: str | None = None

    @classmethod
    def of(cls, access: SessionToken, refresh: RefreshToken | None = None) -> Self:
        return cls(str(access), access.expires_at, str(refresh) if refresh else None)
