"""Check the password of a log-in and the code of a second factor, for both dialects and the admin."""

from django.contrib.auth.hashers import make_password

from users.callers import Caller, Found, KnownPlace
from users.errors import (
    AccountDisabled,
    BadCredentials,
    SecondFactorInvalid,
    SecondFactorRequired,
    TooManyAttempts,
    TooManyCodes,
)
from users.login_attempts import Attempt, as_name, count_login, count_own, counted
from users.models import User
from users.record.events import Event
from users.refused_logins import Reason, count_refused
from users.second_factor.appended import split_off_code
from users.second_factor.codes import Kind, is_totp_code, use_code
from users.second_factor.enabling import has_factor
from users.throttling import Allowance, count_attempt, keys_of, take_back


def get_user_by_username(username: str, password: str, *, code: str | None = None, caller: Caller) -> User:
    """Return the user with that name (in any case of letters), if ``password`` is theirs.

    Args: code: a code of the second factor, if the client sent one. It is used up if the password is right.

    Raises: BadCredentials, AccountDisabled, TooManyAttempts; SecondFactorRequired and SecondFactorInvalid, only if the
        password is right and the user has a second factor.
    """
    return _checked(caller.find_by_username(username), as_name(username), password, code, caller)


def get_user_by_appended_code(username: str, typed: str, *, caller: Caller) -> User:
    """Like `get_user_by_username`, for clients without a field for a code: it is appended to the password.

    If the code is wrong or missing, the error is that of a wrong password, and the attempt counts like one.

    Raises: BadCredentials, AccountDisabled, TooManyAttempts.
    """
    found = caller.find_by_username(username)
    password, code = typed, None
    if found.user is not None and has_factor(found.user):
        password, code = split_off_code(found.user, typed)
    try:
        return _checked(found, as_name(username), password, code, caller)
    except (SecondFactorInvalid, TooManyCodes):
        raise BadCredentials from None


def get_user_by_identity(identity: str, password: str, *, code: str | None = None, caller: Caller) -> User:
    """Return the user with that email, phone number or user name, if ``password`` is theirs.

    Args and errors: see `get_user_by_username`.
    """
    return _checked(caller.find_by_identity(identity), identity, password, code, caller)


def check_own_password(user: User, password: str, *, caller: Caller) -> bool:
    """Return whether ``password`` is the user's. It counts like a log-in by user name. Raises: TooManyAttempts."""
    attempt = count_own(user, caller)
    if not user.check_password(password):
        caller.record(Event.PASSWORD_REFUSED, user)
        return False
    attempt.take_back()
    return True


def use_own_code(user: User, code: str, *, caller: Caller) -> Kind:
    """Use up a code of the user's second factor, without their password. It counts like a log-in by user name.

    Raises: SecondFactorInvalid, TooManyAttempts.
    """
    with counted(user, caller=caller) as place:
        kind = _use_up(user, code, place, caller)
        if kind is None:
            count_refused(Reason.KNOWN_PLACE if place else Reason.SECOND_FACTOR)
            raise SecondFactorInvalid
    return kind


def _checked(found: Found, identity: str, password: str, code: str | None, caller: Caller) -> User:
    user = found.user
    try:
        attempt = count_login(identity, found, caller)
    except TooManyAttempts as error:
        count_refused(Reason.TOO_MANY)
        caller.record_lock_out(error, user)
        raise
    if user is None:
        make_password(password)  # an unknown user takes as long as a wrong password
        _refused(Reason.UNKNOWN_USER, None, caller)
        raise BadCredentials
    if not user.check_password(password):
        _refused(Reason.KNOWN_PLACE if attempt.is_known else Reason.WRONG_PASSWORD, user, caller)
        raise BadCredentials
    if has_factor(user) and user.is_active:
        _show_factor(user, code, attempt, caller)
    if not user.is_active:
        attempt.take_back()
        _refused(Reason.DISABLED, user, caller)
        raise AccountDisabled
    user.attempt = attempt
    return user


def _show_factor(user: User, code: str | None, attempt: Attempt, caller: Caller) -> None:
    """Use up the code of a user who has given the right password.

    Raises: SecondFactorRequired, SecondFactorInvalid, TooManyCodes.
    """
    if code is None:
        # A client first tries without a code, so this does not count. But earlier wrong codes still do. Otherwise
        # a thief of the password could guess codes for ever, with a log-in without a code after every few.
        attempt.take_back_alone()
        if not attempt.is_known:
            caller.record(Event.LOGIN_REFUSED, user, reason="code_missing")
        raise SecondFactorRequired(user)
    user.shown_factor = _use_up(user, code, attempt.place, caller)
    if user.shown_factor is None:
        caller.record(Event.FACTOR_REFUSED, user)
        count_refused(Reason.KNOWN_PLACE if attempt.is_known else Reason.SECOND_FACTOR)
        raise SecondFactorInvalid


def _use_up(user: User, code: str, place: KnownPlace | None, caller: Caller) -> Kind | None:
    """Use up the code, and return its kind; None, if it is wrong. Raises: TooManyCodes.

    A code of the app has six digits, and three are valid at a time. With the allowances of log-ins alone, a thief of
    the password could try thousands a day, and would hit one within months. A recovery code can't be guessed.
    """
    if not is_totp_code(code):
        return use_code(user, code)
    allowance = place.allowance("second_factor") if place else Allowance("second_factor", user.pk)
    try:
        count_attempt(allowance)
    except TooManyAttempts as error:
        caller.record_lock_out(error, user)
        count_refused(Reason.TOO_MANY)
        raise TooManyCodes(error.retry_after) from error
    kind = use_code(user, code)
    if kind is not None:
        take_back(keys_of(clear=[allowance]))
    return kind


def _refused(reason: Reason, user: User | None, caller: Caller) -> None:
    # The typed name of an unknown user is not stored: people type their password into the wrong field.
    caller.record(Event.LOGIN_REFUSED, user, reason=reason.value)
    count_refused(reason)
