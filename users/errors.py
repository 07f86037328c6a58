"""Errors about users, apps and devices. Each dialect maps them to its own status and message."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from users.models import User


class UsersError(Exception):
    """Base class of this module's errors."""


class BadCredentials(UsersError):
    """Unknown user or wrong password. The answer is the same for both, so that it does not reveal which users exist."""


class AccountDisabled(UsersError):
    """The password is right, but the account is disabled."""


class BadAppCredentials(UsersError):
    """Unknown app, wrong key, or the app is switched off."""


class AppInactive(UsersError):
    """The app is switched off."""


class AppUnchanged(UsersError):
    """Somebody else has switched the app, or given it a new key, a moment ago."""


class RegistrationClosed(UsersError):
    """Only staff may create users here."""


class IdentityTaken(UsersError):
    """Another user has this value. `field` is "username", "email" or "phone_number"."""

    def __init__(self, field: str) -> None:
        super().__init__(field)
        self.field = field


class PasswordRefused(UsersError):
    """The new password is too weak. `field` is "password" or "new_password"; `reasons` are sentences for people."""

    def __init__(self, field: str, reasons: Sequence[str]) -> None:
        super().__init__(field)
        self.field = field
        self.reasons = list(reasons)


class NotYours(UsersError):
    """The object belongs to another user, and the caller may not act on it."""


class UserNotFound(UsersError):
    """Unknown user. Only staff get this error."""


class WrongPassword(UsersError):
    """The old password in a request to change the password is wrong."""


class EmailMismatch(UsersError):
    """The email in a request to change the password is not the user's."""


class EmailMissing(UsersError):
    """The user has no email to which a code could be sent."""


class NoSmsGateway(UsersError):
    """The code would have to go to a phone number, but this service sends mail only."""


class CodeInvalid(UsersError):
    """The code is wrong, used, expired or unknown. The answer is the same for all four."""


class LinkInvalid(UsersError):
    """The link from a mail is unknown, used or expired. The answer is the same for all three."""


class SecondFactorRequired(UsersError):
    """The password is right, but the log-in also needs a code of the user's second factor. `user` is that user."""

    def __init__(self, user: "User | None" = None) -> None:
        super().__init__()
        self.user = user


class SecondFactorInvalid(UsersError):
    """The password is right, but the code of the second factor is wrong, used or expired."""


class SecondFactorEnabled(UsersError):
    """The user's second factor is on already. Its secret is neither shown again nor replaced."""


class SecondFactorMissing(UsersError):
    """The user has no second factor, and the act needs one."""


class SecondFactorNeeded(NotYours):
    """Staff may not switch their own second factor off here (`STAFF_SECOND_FACTOR`)."""


class SecondFactorNotConfirmed(UsersError):
    """The code does not fit the secret that is to be confirmed, or there is no such secret."""


class TooManyAttempts(UsersError):
    """Too many attempts, right or wrong. `retry_after` is in seconds.

    `used_up` is the name of an allowance, if this attempt is the first one that it refuses.
    """

    def __init__(self, retry_after: int, *, used_up: str = "") -> None:
        super().__init__(retry_after)
        self.retry_after = retry_after
        self.used_up = used_up


class TooManyCodes(TooManyAttempts):
    """The password is right, but too many codes of the user's app were wrong. A recovery code still works."""
