"""What can be wrong about a user, an app or a device. Each dialect words these in its own way."""


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
