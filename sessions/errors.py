"""Why a credential is refused. Each dialect has its own status and text for each of these errors.

`code` is on the wire in the ZAP dialect: add codes, never rename one.
"""


class SessionsError(Exception):
    """Base class of this package's errors."""

    code = "error"

    @property
    def rule(self) -> str:
        """The rule that refuses the credential, for statistics."""
        return self.code


class TokenMissing(SessionsError):
    """The request has no token of a known scheme."""

    code = "token_missing"


class TokenInvalid(SessionsError):
    """The token is malformed, not signed by us, of the wrong type, or not for this audience."""

    code = "token_invalid"


class TokenExpired(SessionsError):
    """The token's signature is valid, but its `exp` has passed."""

    code = "token_expired"


class SessionEnded(SessionsError):
    """The credential's signature is valid, but its session is not live (see `Session.refusal`)."""

    code = "session_ended"

    @property
    def rule(self) -> str:
        return str(self.args[0]) if self.args else self.code


class UserTokenRequired(SessionsError):
    """The request has an app-level token, and needs a user's token."""

    code = "user_token_required"


class DeviceInUse(SessionsError):
    """The request has an app-level token, but would change a device on which a user is logged in."""

    code = "device_in_use"


class ReauthenticationRequired(SessionsError):
    """The act needs the user's password, because the session's log-in was too long ago."""

    code = "reauthentication_required"


class WrongPasswordGiven(ReauthenticationRequired):
    """The request gives a wrong password for an act that needs the user's password."""

    code = "wrong_password"


class SessionNotFound(SessionsError):
    """There is no live session with this id, or it belongs to another user."""

    code = "not_found"


# The errors that refuse a token or a cookie.
TOKEN_ERRORS = (TokenMissing, TokenInvalid, TokenExpired, SessionEnded)
