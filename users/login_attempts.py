"""Count attempts to log in, before the password or the code is checked.

An attempt from a place that the user knows counts against that place. Any other attempt counts against the caller's
address and the identity. `users.throttling` has the counters.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.conf import settings

from users.callers import Caller, Found, KnownPlace
from users.errors import SecondFactorInvalid, SecondFactorNotConfirmed, TooManyAttempts
from users.identities import is_phone_number
from users.models import User
from users.record.events import Event
from users.throttling import Allowance, Keys, count_attempt, identity_of, keys_of, take_back


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


def count_login(identity: str, found: Found, caller: Caller) -> Attempt:
    """Count an attempt before it is made. Raises: TooManyAttempts, also for strangers if the budget is used up."""
    attempt = _attempt(identity, found.place, caller)
    if settings.THROTTLING and found.closed and not attempt.is_known:
        raise found.closed
    attempt.count()
    return attempt


def count_own(user: User, caller: Caller) -> Attempt:
    """Count an attempt of a user who is logged in. Raises: TooManyAttempts."""
    place = caller.known_place(user) if settings.THROTTLING else None
    attempt = _attempt(as_name(user.username), place, caller)
    try:
        attempt.count()
    except TooManyAttempts as error:
        caller.record_lock_out(error, user)
        raise
    return attempt


@contextmanager
def counted(user: User, *, caller: Caller) -> Iterator[KnownPlace | None]:
    """Count the block, which checks a code, as an attempt to log in by user name, unless it ends without an error.

    Earlier failures still count: a code alone must not start the allowance anew. Do not call it in a transaction: a
    rollback would also undo the count.

    Yields: the caller's place, if the user knows it. Raises: TooManyAttempts.
    """
    attempt = count_own(user, caller)
    try:
        yield attempt.place
    except (SecondFactorInvalid, SecondFactorNotConfirmed):
        caller.record(Event.FACTOR_REFUSED, user)
        raise
    attempt.take_back_alone()


def allowances_here(user: User, *, caller: Caller) -> tuple[Allowance, ...]:
    """Return the user's own allowances at the caller's place. After a right password and code they start anew."""
    place = caller.known_place(user) if settings.THROTTLING else None
    return _attempt(as_name(user.username), place, caller).forgiven


def forgive_failures(user: User, *, caller: Caller) -> None:
    """Forget the user's failed log-ins from the caller's address and from each place that the user knows.

    Call this when the user has proved their identity in another way.
    """
    identities = {user.username, as_name(user.username), user.email, user.phone_number}
    strangers = [each for identity in identities if identity for each in _as_stranger(identity, caller).forgiven]
    places = [place.allowance("login_known") for place in caller.all_places(user)]
    take_back(keys_of(clear=[*strangers, *places]))


def as_name(username: str) -> str:
    """Return the text by which attempts to log in with a user name are counted: the name itself, for most.

    A user name may look like somebody else's email or phone number. Then its log-ins must not start the count of that
    email or number anew.
    """
    return f"name\0{username}" if "@" in username or is_phone_number(username) else username


def _attempt(identity: str, place: KnownPlace | None, caller: Caller) -> Attempt:
    return _at_known_place(place, caller) if place else _as_stranger(identity, caller)


def _at_known_place(place: KnownPlace, caller: Caller) -> Attempt:
    own = place.allowance("login_known")
    # Others may share the address. They must not try one password on all of its users.
    shared = (Allowance("login_address", caller.network),) if place.is_network else ()
    return Attempt((own,), shared, place)


def _as_stranger(identity: str, caller: Caller) -> Attempt:
    who, where = identity_of(identity), caller.network
    here, anywhere = Allowance("login", f"{who}\0{where}"), Allowance("login_anywhere", who)
    return Attempt((here, anywhere), (Allowance("login_address", where),))
