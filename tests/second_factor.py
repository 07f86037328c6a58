"""A user's authenticator app, played by pyotp, and what the user does with it."""

from datetime import timedelta

import pyotp

from tests.phones import Reply, ZapPhone
from users.clock import database_now
from users.models import User
from users.second_factor.codes import PERIOD
from users.second_factor.enabling import begin, confirm

# A recovery code that has the right form and belongs to nobody.
NO_RECOVERY_CODE = "0000-1111-2222-3333-4444-5555"


class Authenticator:
    """An app with a secret. It follows the database's clock."""

    def __init__(self, base32: str) -> None:
        self.totp = pyotp.TOTP(base32)

    def code(self, *, step: int = 0) -> str:
        """Return the code of now, or of so many time steps later."""
        return self.totp.at(database_now() + step * timedelta(seconds=PERIOD))

    def wrong_code(self) -> str:
        """Return a code that is not valid now."""
        valid = {self.code(step=step) for step in range(-2, 3)}
        return next(code for code in map("{:06d}".format, range(9)) if code not in valid)


def give_factor(user_id: str) -> tuple[Authenticator, list[str]]:
    """Switch the user's second factor on. Returns their app and the recovery codes."""
    user = User.objects.get(pk=user_id)
    app = Authenticator(begin(user).base32)
    return app, confirm(user, app.code(step=-1))


def log_in_with(phone: ZapPhone, password: str, code: str | None = None) -> Reply:
    """Log the phone's user in with ZAP, with or without a code."""
    body = {"identity": phone.username, "password": password}
    return phone.call("POST", "/v1/login", body if code is None else body | {"twoFaToken": code})
