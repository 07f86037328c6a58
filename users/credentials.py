"""Check the password of a log-in and the code of a second factor, for both dialects and the admin."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.hashers import Argon2PasswordHasher, make_password
from django.http import HttpRequest

from users.callers import Caller, Found, KnownPlace
from users.errors import (
    AccountDisabled,
    BadCredentials,
    SecondFactorInvalid,
    SecondFactorNotConfirmed,
    SecondFactorRequired,
    TooManyAttempts,
    TooManyCodes,
)
from users.identities import is_phone_number
from users.models import User
from users.origin import NOWHERE, Origin
from users.record.events import Event
from users.refused_logins import Reason, count_refused
from users.second_factor.appended import split_off_code
from users.second_factor.codes import Kind, is_totp_code, use_code
from users.second_factor.enabling import has_factor
from users.throttling import Allowance, Keys, count_attempt, identity_of, keys_of, take_back


class OwaspArgon2(Argon2PasswordHasher):
    """Argon2id with 19 MiB and two passes (OWASP Password Storage Cheat Sheet).

    Django's default takes 100 MiB for each hash. Each thread may be hashing a password at the same time.
    """

    memory_cost = 19 * 1024
    time_cost = 2
    parallelism = 1


def get_user_by_username(username: str, password: str, *, code: str | None = None, caller: Caller) -> User:
    """Return the user with that name (in any case of letters), if ``password`` is theirs.

    Args: code: a code of the second factor, if the client sent one. It is used up if the password is right.

    Raises: BadCredentials, AccountDisabled, TooManyAttempts; SecondFactorRequired and SecondFactorInvalid, only if the
        password is right and the user has a second factor.
    """
    return _checked(caller.find_by_username(username), _as_name(username), password, code, caller)


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
        return _checked(found, _as_name(username), password, code, caller)
    except (SecondFactorInvalid, TooManyCodes):
        raise BadCredentials from None


def get_user_by_identity(identity: str, password: str, *, code: str | None = None, caller: Caller) -> User:
    """Return the user with that email, phone number or user name, if ``password`` is theirs.

    Args and errors: see `get_user_by_username`.
    """
    return _checked(caller.find_by_identity(identity), identity, password, code, caller)


def check_own_password(user: User, password: str, *, caller: Caller) -> bool:
    """Return whether ``password`` is the user's. It counts like a log-in by user name. Raises: TooManyAttempts."""
    attempt = _count_own(user, caller)
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


@contextmanager
def counted(user: User, *, caller: Caller) -> Iterator[KnownPlace | None]:
    """Count the block, which checks a code, as an attempt to log in by user name, unless it ends without an error.

    Earlier failures still count: a code alone must not start the allowance anew. Do not call it in a transaction: a
    rollback would also undo the count.

    Yields: the caller's place, if the user knows it. Raises: TooManyAttempts.
    """
    attempt = _count_own(user, caller)
    try:
        yield attempt.place
    except (SecondFactorInvalid, SecondFactorNotConfirmed):
        caller.record(Event.FACTOR_REFUSED, user)
        raise
    attempt.take_back_alone()


def allowances_here(user: User, *, caller: Caller) -> tuple[Allowance, ...]:
    """Return the user's own allowances at the caller's place. After a right password and code they start anew."""
    place = caller.known_place(user) if settings.THROTTLING else None
    return _attempt(_as_name(user.username), place, caller).forgiven


def _count_own(user: User, caller: Caller) -> "Attempt":
    """Count an attempt of a user who is logged in. Raises: TooManyAttempts."""
    place = caller.known_place(user) if settings.THROTTLING else None
    attempt = _attempt(_as_name(user.username), place, caller)
    try:
        attempt.count()
    except TooManyAttempts as error:
        caller.record_lock_out(error, user)
        raise
    return attempt


def forgive_failures(user: User, *, caller: Caller) -> None:
    """Forget the user's failed log-ins from the caller's address and from each place that the user knows.

    Call this when the user has proved their identity in another way.
    """
    identities = {user.username, _as_name(user.username), user.email, user.phone_number}
    strangers = [each for identity in identities if identity for each in _as_stranger(identity, caller).forgiven]
    places = [place.allowance("login_known") for place in caller.all_places(user)]
    take_back(keys_of(clear=[*strangers, *places]))


@dataclass(frozen=True)
class Attempt:
    """The allowances that an attempt counts against.

    If it succeeds, the allowances ``forgiven`` start anew, and this one attempt is taken back from ``shared``.
    """

    forgiven: tuple[Allowance, ...]
    shared: tuple[Allowance, ...]
    place: KnownPlace | None = None

    @property
    def is_known(self) -> bool:
        """Whether the user knows the caller's place."""
        return self.place is not None

    def count(self) -> None:
        """Count the attempt before the password is checked. Raises: TooManyAttempts."""
        count_attempt(*self.forgiven, *self.shared)

    @property
    def keys(self) -> Keys:
        """The keys from which the attempt is taken back because it has succeeded."""
        # The failures of an address still count, even if one of its users knows a password.
        return keys_of(*self.shared, clear=self.forgiven)

    def take_back(self) -> None:
        take_back(self.keys)

    def take_back_alone(self) -> None:
        """Take back this attempt, and no earlier one."""
        take_back(keys_of(*self.forgiven, *self.shared))


def _as_name(username: str) -> str:
    """Return the text by which attempts to log in with a user name are counted: the name itself, for most.

    A user name may look like somebody else's email or phone number. Then its log-ins must not start the count of that
    email or number anew.
    """
    return f"name\0{username}" if "@" in username or is_phone_number(username) else username


def _as_stranger(identity: str, caller: Caller) -> Attempt:
    who, where = identity_of(identity), caller.network
    here, anywhere = Allowance("login", f"{who}\0{where}"), Allowance("login_anywhere", who)
    return Attempt((here, anywhere), (Allowance("login_address", where),))


def _at_known_place(place: KnownPlace, caller: Caller) -> Attempt:
    own = place.allowance("login_known")
    # Others may share the address. They must not try one password on all of its users.
    shared = (Allowance("login_address", caller.network),) if place.is_network else ()
    return Attempt((own,), shared, place)


def _attempt(identity: str, place: KnownPlace | None, caller: Caller) -> Attempt:
    return _at_known_place(place, caller) if place else _as_stranger(identity, caller)


def _count(identity: str, found: Found, caller: Caller) -> Attempt:
    """Count an attempt before it is made. Raises: TooManyAttempts, also for strangers if the budget is used up."""
    attempt = _attempt(identity, found.place, caller)
    if settings.THROTTLING and found.closed and not attempt.is_known:
        raise found.closed
    attempt.count()
    return attempt


def _checked(found: Found, identity: str, password: str, code: str | None, caller: Caller) -> User:
    user = found.user
    try:
        attempt = _count(identity, found, caller)
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


def origin_of(request: HttpRequest | None) -> Origin:
    """Return where a log-in to the admin comes from. A request that Django's own code made has no address."""
    return NOWHERE if request is None or not hasattr(request, "client_ip") else Origin.of(request)


class UserBackend(ModelBackend):
    """Django's log-in backend for the admin, with the same check. Permissions are Django's own.

    `authenticate(request, username=…, password=…, code=…)` returns no user who has a second factor without its code.
    """

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        code: str | None = None,
        **kwargs: Any,
    ) -> User | None:
        if username is None or password is None or "\0" in username:
            return None
        try:
            user = get_user_by_username(username, password, code=code, caller=self.caller(request))
        except (BadCredentials, AccountDisabled, TooManyAttempts, SecondFactorRequired, SecondFactorInvalid):
            return None
        if user.attempt is not None:
            user.attempt.take_back()
            user.attempt = None
        return user

    def caller(self, request: HttpRequest | None) -> Caller:
        origin = origin_of(request)
        return Caller(ip=origin.ip, origin=origin)

    def user_can_authenticate(self, user: Any) -> bool:
        return super().user_can_authenticate(user) and user.deleted_at is None
