"""Tell another service whether a token is accepted now, by the rules of each request (RFC 7662)."""

from dataclasses import dataclass

from sessions.authentication import get_live_session, note_use
from sessions.errors import SessionsError
from sessions.models import Session
from sessions.refresh import is_current
from sessions.tokens.jwt import AnyAccessToken, RefreshToken, read_token
from users.counting import token_refused


@dataclass(frozen=True)
class LiveToken:
    """A token that is accepted now, and its session."""

    token: AnyAccessToken | RefreshToken
    session: Session

    @property
    def is_refresh(self) -> bool:
        return isinstance(self.token, RefreshToken)


def find_live_token(raw: str, *, only_app: str | None, takes_refresh: bool) -> LiveToken | None:
    """Return the token ``raw`` if it is accepted now; otherwise None, whatever the reason. One query.

    A refresh token takes a second query. To ask about it is neither a use nor a reuse. To ask about an access token is
    a use of its session, because a service asks when it gets a request with that token.

    Args:
        only_app: the id of the app whose tokens may be asked about. None: all apps.
        takes_refresh: whether refresh tokens may be asked about. A service that takes any active token for an access
            token must not be told that a refresh token is active.
    """
    try:
        token = read_token(raw)
        if only_app not in (None, token["aud"]) or (isinstance(token, RefreshToken) and not takes_refresh):
            return None
        session = get_live_session(token)
    except SessionsError as error:
        token_refused(error.rule)
        return None
    if isinstance(token, RefreshToken):
        return LiveToken(token, session) if is_current(token, session) else None
    note_use(session)
    return LiveToken(token, session)
