"""What can be wrong about a user, an app or a device. Each dialect words these in its own way."""

from collections.abc import Sequence


class UsersError(Exception):
    """Base of this module's errors."""


class BadCredentials(UsersError):
    """No such user, or not their password: the same on purpose."""


class AccountDisabled(UsersError):
    """The right password of an account that may not log in."""


class BadAppCredentials(UsersError):
    """No such app, not its key, or an app that is switched off."""


class AppInactive(UsersError):
    """The app is switched off."""


class RegistrationClosed(UsersError):
    """Only staff may create users here."""


class IdentityTaken(UsersError):
    """Another user has that `field`: "username", "email" or "phone_number"."""

    def __init__(self, field: str) -> None:
        super().__init__(field)
        self.field = field


class PasswordRefused(UsersError):
    """The new password in `field` ("password" or "new_password") is not good enough. `reasons` are sentences."""

    def __init__(self, field: str, reasons: Sequence[str]) -> None:
        super().__init__(field)
        self.field = field
        self.reasons = list(reasons)


class NotYours(UsersError):
    """It belongs to somebody else, and the caller may not act for them."""


class UserNotFound(UsersError):
    """No such user; told only to staff."""


class WrongPassword(UsersError):
    """The old password, which a change of one's own needs, is not right."""


class EmailMismatch(UsersError):
    """The email that a change of the password names is not the user's."""


class EmailMissing(UsersError):
    """The user has no email that a code could be mailed to."""


class NoSmsGateway(UsersError):
    """A code was to be sent to a phone number, and only mail can be sent."""


class CodeInvalid(UsersError):
    """No such code now: wrong, used, expired, or of nobody. The same on purpose."""


class TooManyAttempts(UsersError):
    """Tried too often of late, right or wrong; worth another try after `retry_after` seconds."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(retry_after)
        self.retry_after = retry_after
