"""Decide whether a token passes the gate. The core does it, as for each request with a token: nothing is cached."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import unquote

from sessions.authentication import get_live_session, note_use
from sessions.errors import TokenExpired, TokenInvalid, TokenMissing
from sessions.models import Session
from sessions.tokens.jwt import AnyAccessToken, UserAccessToken
from zapauth.buddy.errors import SignatureInvalid
from zapauth.buddy.signatures import is_signed
from zapauth.gate.options import Options

_SCHEMES = ("bearer", "buddy")


class NotEnough(Exception):
    """The token is live, but not one that the gateway asks for. ``option``: `app`, `level` or `role`."""

    def __init__(self, option: str) -> None:
        super().__init__(option)
        self.option = option


class CannotCheck(Exception):
    """Without the database it is not known whether the token is one that the gateway asks for."""


class Signed(NamedTuple):
    """What the client of a signed app has signed: the method and the path of its own request, decoded."""

    method: str
    path: str


@dataclass(frozen=True)
class Passed:
    """A token that passes, and whose it is. ``is_checked``: whether the database was asked."""

    user_id: str | None
    session_id: str
    app_id: str
    role_id: str | None
    expires_at: datetime
    is_checked: bool = True


def signed_request(method: str, path: str, headers: dict[str, str]) -> Signed | None:
    """Return the request that the client signed, or None if the gateway does not tell it.

    Below `/verify/…` it is this request itself. At `/verify` the gateway tells it in headers.

    Args: headers: with names in WSGI's form.
    """
    _, slash, below = path[1:].partition("/")
    if slash:
        return Signed(method, f"/{below}")
    told = headers.get("HTTP_X_FORWARDED_METHOD"), headers.get("HTTP_X_FORWARDED_URI")
    return Signed(told[0], unquote(told[1].partition("?")[0])) if told[0] and told[1] else None


def credentials(authorization: str) -> list[str]:
    """Return the token, and the signature if there is one. Raises: TokenMissing, TokenInvalid."""
    scheme, *words = authorization.split() or [""]
    if scheme.lower() not in _SCHEMES or not words:
        raise TokenMissing
    if len(words) > 2:  # for example from two headers
        raise TokenInvalid
    return words


def pass_token(token: AnyAccessToken, asked: Options, *, session: Session) -> Passed:
    """Let a token pass whose session was just found live. Raises: NotEnough."""
    app, user = session.app, session.user
    if asked.needs_app and not (app.pk in asked.app_ids or app.name in asked.app_names):
        raise NotEnough("app")
    if asked.needs_user and user is None:
        raise NotEnough("level")
    role_id = user.role_id if user else None
    if asked.roles and role_id not in asked.roles:
        raise NotEnough("role")
    note_use(session)
    return Passed(session.user_id, str(session.pk), app.pk, role_id, token.expires_at)


def find_session(token: AnyAccessToken, signature: str | None, signed: Signed | None) -> Session:
    """Find the live session of a token. Raises: TokenInvalid, TokenExpired, SessionEnded, SignatureInvalid."""
    session = get_live_session(token)
    if session.app.sealed_secret and not (
        signature and signed and is_signed(session.app, signature, method=signed.method, path=signed.path)
    ):
        raise SignatureInvalid
    return session


def pass_unchecked(token: AnyAccessToken, asked: Options) -> Passed:
    """Let a token pass by its signature alone, for GATE_WITHOUT_DATABASE=accept, while the database is away.

    Raises: TokenExpired (by this host's clock), NotEnough, CannotCheck.
    """
    if token.is_expired(datetime.now(UTC)):
        raise TokenExpired
    is_users = token["token_type"] == UserAccessToken.token_type
    if asked.needs_user and not is_users:
        raise NotEnough("level")
    if asked.needs_app and token["aud"] not in asked.app_ids:
        raise CannotCheck if asked.app_names else NotEnough("app")
    if asked.roles:
        raise CannotCheck
    user_id = token["sub"] if is_users else None
    return Passed(user_id, str(token.session_id), token["aud"], None, token.expires_at, is_checked=False)
