"""Ask for the user's password before some acts, because a token or a cookie can be stolen (OWASP ASVS 5.0, 7.5.1).

These acts change what identifies a user, delete an account, or end sessions other than the caller's own.
"""

from datetime import timedelta

from django.conf import settings

from sessions.errors import ReauthenticationRequired, WrongPasswordGiven
from sessions.models import Session
from sessions.places import Place
from users.clock import database_now
from users.credentials import check_own_password, use_own_code
from users.errors import SecondFactorInvalid
from users.origin import Origin
from users.second_factor.codes import is_totp_code
from users.second_factor.enabling import has_factor


def is_recent(session: Session, *, at_least: timedelta = timedelta(0)) -> bool:
    """Return whether the user of ``session`` has given their password or a code recently.

    A password does not count after "That wasn't me" has made it useless: somebody else may have given it.

    Args: at_least: a time that counts as recent even if `REAUTHENTICATION_WINDOW` is shorter.
    """
    shown_at, window = session.authenticated_at, max(settings.REAUTHENTICATION_WINDOW, at_least)
    if shown_at is None or session.checked_at - shown_at > window or session.user is None:
        return False
    return has_factor(session.user) or session.user.has_usable_password()


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


def prove_again(session: Session, typed: str | None, *, origin: Origin) -> None:
    """Check the password that the user of ``session`` types, or the code of their app. Then the proof is recent again.

    Unlike the password of `require_recent_password`, a right one counts for later acts of the session, too. A text with
    the form of a code is only compared with codes, if the user has a second factor. Recovery codes are for log-ins.
    An attempt counts like a log-in. Do not call this inside a transaction: a rollback would also undo the count.

    Args: session: the caller's session, as authentication found it.

    Raises: ReauthenticationRequired (nothing is typed), WrongPasswordGiven, TooManyAttempts.
    """
    user, caller = session.user, Place.of(origin)
    if user is None or not typed:
        raise ReauthenticationRequired
    if has_factor(user) and is_totp_code(typed):
        try:
            use_own_code(user, typed, caller=caller)
        except SecondFactorInvalid:
            raise WrongPasswordGiven from None
    elif not check_own_password(user, typed, caller=caller):
        raise WrongPasswordGiven
    session.authenticated_at = database_now()
    Session.objects.filter(pk=session.pk, ended_at=None).update(authenticated_at=session.authenticated_at)
