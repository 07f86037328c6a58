"""Why a credential is refused. Each dialect gives these its own status and words.

`code` is on the wire in the ZAP dialect: add, never rename.
"""


class SessionsError(Exception):
    """Base of this package's errors."""

    code = "error"


class TokenMissing(SessionsError):
    """The request carries no token of a known scheme."""

    code = "token_missing"


class TokenInvalid(SessionsError):
    """Malformed, not signed by us, of the wrong type, or not for this audience."""

    code = "token_invalid"


class TokenExpired(SessionsError):
    """Genuine, but past its `exp`."""

    code = "token_expired"


class SessionEnded(SessionsError):
    """Genuine, but its session has ended, expired, or been cut off."""

    code = "session_ended"


class UserTokenRequired(SessionsError):
    """An app-level token where a user is needed."""

    code = "user_token_required"


class DeviceInUse(SessionsError):
    """An app-level token wants to change a device on which a user is logged in."""

    code = "device_in_use"


class ReauthenticationRequired(SessionsError):
    """This act needs the user's password, and the session's log-in was too long ago."""

    code = "reauthentication_required"


class WrongPasswordGiven(ReauthenticationRequired):
    """The password that came along with such an act is not the user's."""

    code = "wrong_password"


class SessionNotFound(SessionsError):
    """There is no session of this id, or that user has no live one."""

    code = "not_found"
