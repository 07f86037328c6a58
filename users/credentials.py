"""Is this the password of that user? Asked by both dialects and by the admin's login."""

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.hashers import Argon2PasswordHasher, make_password
from django.db.models import Q
from django.http import HttpRequest

from users.errors import AccountDisabled, BadCredentials
from users.models import User


class OwaspArgon2(Argon2PasswordHasher):
    """Argon2id with 19 MiB and two passes (OWASP Password Storage Cheat Sheet).

    Django's own default takes 100 MiB a hash, which a burst of logins multiplies by the
    number of threads.
    """

    memory_cost = 19 * 1024
    time_cost = 2
    parallelism = 1


def get_user_by_username(username: str, password: str) -> User:
    """The user of that name (any case), the password having been checked.

    Raises: BadCredentials, AccountDisabled.
    """
    return _checked(_find(Q(username__iexact=User.normalize_username(username))), password)


def get_user_by_identity(identity: str, password: str) -> User:
    """The user of that email, phone number or user name, the password having been checked.

    What looks like an email means its owner before it means a user of that name: else
    somebody could take another's email for a user name and catch their logins.

    Raises: BadCredentials, AccountDisabled.
    """
    user = None
    if "@" in identity:
        user = _find(Q(email__iexact=identity))
    elif identity.startswith("+"):
        user = _find(Q(phone_number=identity))
    return _checked(user or _find(Q(username__iexact=User.normalize_username(identity))), password)


def _find(which: Q) -> User | None:
    return User.objects.filter(which, deleted_at=None).first()


def _checked(user: User | None, password: str) -> User:
    if user is None:
        make_password(password)  # An unknown user must take as long as a wrong password.
        raise BadCredentials
    if not user.check_password(password):
        raise BadCredentials
    if not user.is_active:
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
            return get_user_by_username(username, password)
        except (BadCredentials, AccountDisabled):
            return None
