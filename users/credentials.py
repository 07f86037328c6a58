"""Is this the password of that user? Asked by both dialects and by the admin's login."""

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.hashers import Argon2PasswordHasher, make_password
from django.db.models import Case, Q, When
from django.http import HttpRequest

from users.callers import Caller, KnownPlace
from users.database_use import serve
from users.errors import AccountDisabled, BadCredentials, TooManyAttempts
from users.models import User
from users.refused_logins import LOGINS, Reason, count_refused, find_wait
from users.throttling import Allowance, count_attempt, identity_of, take_back

# Strangers may set the same new email, so that there could be very many.
MOST_TO_VERIFY = 10


class OwaspArgon2(Argon2PasswordHasher):
    """Argon2id with 19 MiB and two passes (OWASP Password Storage Cheat Sheet).

    Django's own default takes 100 MiB a hash, which a burst of logins multiplies by the
    number of threads.
    """

    memory_cost = 19 * 1024
    time_cost = 2
    parallelism = 1


def find_user_by_username(username: str) -> User | None:
    """The user of that name (any case); deleted users have none."""
    return _served(User.objects.filter(username__iexact=User.normalize_username(username), deleted_at=None).first())


def find_user_by_identity(identity: str) -> User | None:
    """The user of that email, phone number or user name.

    A verified email comes first: nobody catches its owner's log-ins by taking it for a user name. Then
    comes a user name: nobody catches its owner's log-ins by claiming it as an email or a phone number,
    which anybody can do without verifying it.
    """
    named, owned = _named(identity), _owned(identity)
    verified = Q(email__iexact=identity, email_verified=True)
    # One statement whoever it finds, so that its time says nothing.
    found = User.objects.filter(named | owned, deleted_at=None)
    return _served(found.order_by(Case(When(verified, then=0), When(named, then=1), default=2)).first())


def find_users_to_verify(identity: str) -> list[User]:
    """The users who may mean to verify their email by that email, phone number or user name.

    Several users may have set the same new email, of whom the first one to verify it gets it. A code
    tells which of them is meant. The ones who changed something last come first.
    """
    waiting = Q(new_email__iexact=identity) | _owned(identity) | _named(identity)
    found = User.objects.filter(waiting, deleted_at=None, is_active=True)
    return list(found.order_by("-updated_at")[:MOST_TO_VERIFY])


def _served(user: User | None) -> User | None:
    # What follows may wait for a lock on this user's rows.
    if user is not None:
        serve(user.pk)
    return user


def _named(identity: str) -> Q:
    return Q(username__iexact=User.normalize_username(identity))


def _owned(identity: str) -> Q:
    return Q(phone_number=identity) if identity.startswith("+") else Q(email__iexact=identity)


def get_user_by_username(username: str, password: str, *, caller: Caller) -> User:
    """The user of that name (any case), the password having been checked.

    Raises: BadCredentials, AccountDisabled, TooManyAttempts.
    """
    return _checked(find_user_by_username(username), username, password, caller)


def get_user_by_identity(identity: str, password: str, *, caller: Caller) -> User:
    """The user of that email, phone number or user name, the password having been checked.

    Raises: BadCredentials, AccountDisabled, TooManyAttempts.
    """
    return _checked(find_user_by_identity(identity), identity, password, caller)


def check_own_password(user: User, password: str, *, caller: Caller) -> bool:
    """Whether ``password`` is the user's; counted like a log-in by name. Raises: TooManyAttempts."""
    attempt = _count(user.username, user, caller)
    if not user.check_password(password):
        return False
    attempt.take_back()
    return True


def forgive_failures(user: User, *, caller: Caller) -> None:
    """Let the user log in again, from there and from each place that they know.

    They have proved who they are otherwise.
    """
    identities = [identity for identity in (user.username, user.email, user.phone_number) if identity]
    strangers = [each for identity in identities for each in _as_stranger(identity, caller).forgiven]
    places = [place.allowance("login_known") for place in caller.all_places(user)]
    take_back(clear=[*strangers, *places])


@dataclass(frozen=True)
class _Attempt:
    """What an attempt counts against. One that works clears ``forgiven``; ``shared`` gets only this one back."""

    first: Allowance
    forgiven: tuple[Allowance, ...]
    shared: tuple[Allowance, ...]
    is_known: bool = False

    def count(self) -> None:
        """Raises: TooManyAttempts, before anybody has looked at the password."""
        count_attempt(self.first)
        # Only then the others: a phone that tries one password for ever can't use up what its office is allowed,
        # nor what its user is allowed elsewhere.
        count_attempt(*{*self.forgiven, *self.shared} - {self.first})

    def take_back(self) -> None:
        # An address has to pay for its failures even if one of its users knows a password.
        take_back(*self.shared, clear=self.forgiven)


def _as_stranger(identity: str, caller: Caller) -> _Attempt:
    who, where = identity_of(identity), caller.network
    here, anywhere = Allowance("login", f"{who}\0{where}"), Allowance("login_anywhere", who)
    return _Attempt(here, (here, anywhere), (Allowance("login_address", where),))


def _at_known_place(place: KnownPlace, caller: Caller) -> _Attempt:
    own = place.allowance("login_known")
    # Others may be at the same address, and may not try one password on all of its users.
    shared = (Allowance("login_address", caller.network),) if place.is_network else ()
    return _Attempt(own, (own,), shared, is_known=True)


def _count(identity: str, user: User | None, caller: Caller, *, budget: str = "") -> _Attempt:
    """Count an attempt before it is made; a stranger's only while the ``budget`` lasts. Raises: TooManyAttempts."""
    if not settings.THROTTLING:
        return _as_stranger(identity, caller)
    place = caller.known_place(user)
    # Asked of everybody, so that it costs the same.
    closed = find_wait(budget) if budget else None
    attempt = _at_known_place(place, caller) if place else _as_stranger(identity, caller)
    if closed and not attempt.is_known:
        raise closed
    attempt.count()
    return attempt


def _checked(user: User | None, identity: str, password: str, caller: Caller) -> User:
    try:
        attempt = _count(identity, user, caller, budget=LOGINS)
    except TooManyAttempts:
        count_refused(Reason.TOO_MANY)
        raise
    if user is None:
        make_password(password)  # An unknown user must take as long as a wrong password.
        count_refused(Reason.UNKNOWN_USER)
        raise BadCredentials
    if not user.check_password(password):
        count_refused(Reason.KNOWN_PLACE if attempt.is_known else Reason.WRONG_PASSWORD)
        raise BadCredentials
    attempt.take_back()
    if not user.is_active:
        count_refused(Reason.DISABLED)
        raise AccountDisabled
    return user


class UserBackend(ModelBackend):
    """Django's login (the admin) by the same check; permissions as Django has them."""

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
        return Caller(ip=getattr(request, "client_ip", None))

    def user_can_authenticate(self, user: Any) -> bool:
        return super().user_can_authenticate(user) and user.deleted_at is None
