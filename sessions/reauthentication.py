"""Ask for the user's password before some acts, because an access token can be stolen (OWASP ASVS 5.0, 7.5.1).

These acts change what identifies a user, delete an account, or end sessions other than the caller's own.
"""

from django.conf import settings

from sessions.errors import ReauthenticationRequired, WrongPasswordGiven
from sessions.models import Session
from sessions.places import Place
from users.credentials import check_own_password
from users.origin import Origin


def is_recent(session: Session) -> bool:
    """Return whether the user of ``session`` has given their password recently."""
    shown_at = session.authenticated_at
    return shown_at is not None and session.checked_at - shown_at <= settings.REAUTHENTICATION_WINDOW


def require_recent_password(session: Session, *, password: str | None, origin: Origin) -> None:
    """Check that the user of ``session`` has given their password recently, or gives it now.

    The log-in of this session must be at most `REAUTHENTICATION_WINDOW` ago. Otherwise the request must contain the
    ``password``; this is valid for this request only, and counts as a log-in attempt. Do not call this inside a
    transaction: a rollback would also undo the count.

    Args: session: the caller's session, as authentication found it.

    Raises: ReauthenticationRequired, WrongPasswordGiven, TooManyAttempts.
    """
    if is_recent(session):
        return
    if password is None or session.user is None:
        raise ReauthenticationRequired
    if not check_own_password(session.user, password, caller=Place.of(origin)):
        raise WrongPasswordGiven
