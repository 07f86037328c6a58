"""Check that a user may log in now, and take the counted attempt back when they do."""

from sessions.sql.login_in_steps import note_login
from users.errors import BadCredentials, SecondFactorRequired
from users.models import User
from users.origin import Origin
from users.second_factor.enabling import has_factor


def require_factor(user: User) -> None:
    """Check that ``user`` has shown their second factor, if they have one. Raises: SecondFactorRequired.

    Every log-in calls this. So none opens a session by the password alone.
    """
    if has_factor(user) and user.shown_factor is None:
        raise SecondFactorRequired(user)


def note_or_refuse(
    user: User, origin: Origin, *, latitude: float | None = None, longitude: float | None = None
) -> None:
    """Lock ``user`` and store the log-in in their row. Raises: BadCredentials."""
    if not note_login(user, origin=origin, latitude=latitude, longitude=longitude):
        raise BadCredentials


def take_back(user: User) -> None:
    """Take back the attempt that was counted before the user's password was checked."""
    if user.attempt is not None:
        user.attempt.take_back()
