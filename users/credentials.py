"""Check the password of a log-in, for both dialects and the admin."""

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.hashers import Argon2PasswordHasher, make_password
from django.http import HttpRequest

from users.callers import Caller, Found, KnownPlace
from users.errors import AccountDisabled, BadCredentials, TooManyAttempts
from users.models import User
from users.origin import NOWHERE, Origin
from users.record.events import Event
from users.refused_logins import Reason, count_refused
from users.throttling import Allowance, count_attempt, identity_of, take_back


class OwaspArgon2(Argon2PasswordHasher):
    """Argon2id with 19 MiB and two passes (OWASP Password Storage Cheat Sheet).

    Django's default takes 100 MiB for each hash. Each thread may be hashing a password at the same time.
    """

    memory_cost = 19 * 1024
    time_cost = 2
    parallelism = 1


def get_user_by_username(username: str, password: str, *, caller: Caller) -> User:
    """Return the user with that name (in any case of letters), if ``password`` is theirs.

    Raises: BadCredentials, AccountDisabled, TooManyAttempts.
    """
    return _checked(caller.find_by_username(username), username, password, caller)


def get_user_by_identity(identity: str, password: str, *, caller: Caller) -> User:
    """Return the user with that email, phone number or user name, if ``password`` is theirs.

    Raises: BadCredentials, AccountDisabled, TooManyAttempts.
    """
    return _checked(caller.find_by_identity(identity), identity, password, caller)


def check_own_password(user: User, password: str, *, caller: Caller) -> bool:
    """Return whether ``password`` is the user's. It counts like a log-in by user name. Raises: TooManyAttempts."""
    place = caller.known_place(user) if settings.THROTTLING else None
    attempt = _attempt(user.username, place, caller)
    try:
        attempt.count()
    except TooManyAttempts as error:
        caller.record_lock_out(error, user)
        raise
    if not user.check_password(password):
        caller.record(Event.PASSWORD_REFUSED, user)
        return False
    attempt.take_back()
    return True


def forgive_failures(user: User, *, caller: Caller) -> None:
    """Forget the user's failed log-ins from the caller's address and from each place that the user knows.

    Call this when the user has proved their identity in another way.
    """
    identities = [identity for identity in (user.username, user.email, user.phone_number) if identity]
    strangers = [each for identity in identities for each in _as_stranger(identity, caller).forgiven]
    places = [place.allowance("login_known") for place in caller.all_places(user)]
    take_back(clear=[*strangers, *places])


@dataclass(frozen=True)
class _Attempt:
    """The allowances that an attempt counts against.

    If it succeeds, the allowances ``forgiven`` start anew, and this one attempt is taken back from ``shared``.
    """

    forgiven: tuple[Allowance, ...]
    shared: tuple[Allowance, ...]
    is_known: bool = False

    def count(self) -> None:
        """Count the attempt before the password is checked. Raises: TooManyAttempts."""
        count_attempt(*self.forgiven, *self.shared)

    def take_back(self) -> None:
        # The failures of an address still count, even if one of its users knows a password.
        take_back(*self.shared, clear=self.forgiven)


def _as_stranger(identity: str, caller: Caller) -> _Attempt:
    who, where = identity_of(identity), caller.network
    here, anywhere = Allowance("login", f"{who}\0{where}"), Allowance("login_anywhere", who)
    return _Attempt((here, anywhere), (Allowance("login_address", where),))


def _at_known_place(place: KnownPlace, caller: Caller) -> _Attempt:
    own = place.allowance("login_known")
    # Others may share the address. They must not try one password on all of its users.
    shared = (Allowance("login_address", caller.network),) if place.is_network else ()
    return _Attempt((own,), shared, is_known=True)


def _attempt(identity: str, place: KnownPlace | None, caller: Caller) -> _Attempt:
    return _at_known_place(place, caller) if place else _as_stranger(identity, caller)


def _count(identity: str, found: Found, caller: Caller) -> _Attempt:
    """Count an attempt before it is made. Raises: TooManyAttempts, also for strangers if the budget is used up."""
    attempt = _attempt(identity, found.place, caller)
    if settings.THROTTLING and found.closed and not attempt.is_known:
        raise found.closed
    attempt.count()
    return attempt


def _checked(found: Found, identity: str, password: str, caller: Caller) -> User:
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
    attempt.take_back()
    if not user.is_active:
        _refused(Reason.DISABLED, user, caller)
        raise AccountDisabled
    return user


def _refused(reason: Reason, user: User | None, caller: Caller) -> None:
    # The typed name of an unknown user is not stored: people type their password into the wrong field.
    caller.record(Event.LOGIN_REFUSED, user, reason=reason.value)
    count_refused(reason)


def origin_of(request: HttpRequest | None) -> Origin:
    """Return where a log-in to the admin comes from. A request that Django's own code made has no address."""
    return NOWHERE if request is None or not hasattr(request, "client_ip") else Origin.of(request)


class UserBackend(ModelBackend):
    """Django's log-in backend for the admin, with the same check. Permissions are Django's own."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> User | None:
        if username is None or password is None or "\0" in username:
            return None
        try:
            return get_user_by_username(username, password, caller=self.caller(request))
        except (BadCredentials, AccountDisabled, TooManyAttempts):
            return None

    def caller(self, request: HttpRequest | None) -> Caller:
        origin = origin_of(request)
        return Caller(ip=origin.ip, origin=origin)

    def user_can_authenticate(self, user: Any) -> bool:
        return super().user_can_authenticate(user) and user.deleted_at is None
