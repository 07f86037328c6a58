"""Is this the password of that user? Asked by both dialects and by the admin's login."""

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.hashers import Argon2PasswordHasher, make_password
from django.db.models import Case, Q, When
from django.http import HttpRequest

from users.errors import AccountDisabled, BadCredentials, TooManyAttempts
from users.models import RefusedLogin, User
from users.refused_logins import count_refused
from users.throttling import Allowance, count_attempt, identity_of, network_of, take_back

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
    return User.objects.filter(username__iexact=User.normalize_username(username), deleted_at=None).first()


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
    return found.order_by(Case(When(verified, then=0), When(named, then=1), default=2)).first()


def find_users_to_verify(identity: str) -> list[User]:
    """The users who may mean to verify their email by that email, phone number or user name.

    Several users may have set the same new email, of whom the first one to verify it gets it. A code
    tells which of them is meant. The ones who changed something last come first.
    """
    waiting = Q(new_email__iexact=identity) | _owned(identity) | _named(identity)
    found = User.objects.filter(waiting, deleted_at=None, is_active=True)
    return list(found.order_by("-updated_at")[:MOST_TO_VERIFY])


def _named(identity: str) -> Q:
    return Q(username__iexact=User.normalize_username(identity))


def _owned(identity: str) -> Q:
    return Q(phone_number=identity) if identity.startswith("+") else Q(email__iexact=identity)


def get_user_by_username(username: str, password: str, *, ip: str | None) -> User:
    """The user of that name (any case), the password having been checked.

    Raises: BadCredentials, AccountDisabled, TooManyAttempts.
    """
    allowances = _count_login(username, ip)
    return _checked(find_user_by_username(username), password, allowances)


def get_user_by_identity(identity: str, password: str, *, ip: str | None) -> User:
    """The user of that email, phone number or user name, the password having been checked.

    Raises: BadCredentials, AccountDisabled, TooManyAttempts.
    """
    allowances = _count_login(identity, ip)
    return _checked(find_user_by_identity(identity), password, allowances)


def check_own_password(user: User, password: str, *, ip: str | None) -> bool:
    """Whether ``password`` is the user's; counted like a login by name. Raises: TooManyAttempts."""
    allowances = _count(user.username, ip)
    if not user.check_password(password):
        return False
    _take_back(allowances)
    return True


def forgive_failures(user: User, *, ip: str | None) -> None:
    """Let the user log in again from there, by whichever identity: they have proved who they are otherwise."""
    identities = [identity for identity in (user.username, user.email, user.phone_number) if identity]
    allowances = [_of_login(identity, ip) for identity in identities]
    take_back(clear=[each for here, _, anywhere in allowances for each in (here, anywhere)])


def _of_login(identity: str, ip: str | None) -> tuple[Allowance, Allowance, Allowance]:
    who, where = identity_of(identity), network_of(ip)
    return (
        Allowance("login", f"{who}\0{where}"),
        Allowance("login_address", where),
        Allowance("login_anywhere", who),
    )


def _count(identity: str, ip: str | None) -> tuple[Allowance, Allowance, Allowance]:
    """Raises: TooManyAttempts, before anybody has looked who that is, or at the password."""
    here, address, anywhere = allowances = _of_login(identity, ip)
    count_attempt(here)
    # Only then: a phone that tries one password for ever can't use up what its office is allowed,
    # nor what its user is allowed elsewhere.
    count_attempt(address, anywhere)
    return allowances


def _count_login(identity: str, ip: str | None) -> tuple[Allowance, Allowance, Allowance]:
    try:
        return _count(identity, ip)
    except TooManyAttempts:
        count_refused(RefusedLogin.Reason.TOO_MANY)
        raise


def _take_back(allowances: tuple[Allowance, Allowance, Allowance]) -> None:
    here, address, anywhere = allowances
    # An address has to pay for its failures even if one of its users knows a password.
    take_back(address, clear=[here, anywhere])


def _checked(user: User | None, password: str, allowances: tuple[Allowance, Allowance, Allowance]) -> User:
    if user is None:
        make_password(password)  # An unknown user must take as long as a wrong password.
        count_refused(RefusedLogin.Reason.UNKNOWN_USER)
        raise BadCredentials
    if not user.check_password(password):
        count_refused(RefusedLogin.Reason.WRONG_PASSWORD)
        raise BadCredentials
    _take_back(allowances)
    if not user.is_active:
        count_refused(RefusedLogin.Reason.DISABLED)
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
            return get_user_by_username(username, password, ip=getattr(request, "client_ip", None))
        except (BadCredentials, AccountDisabled, TooManyAttempts):
            return None

    def user_can_authenticate(self, user: Any) -> bool:
        return super().user_can_authenticate(user) and user.deleted_at is None
