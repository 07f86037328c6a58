"""The log-in backend for Django's own forms."""

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.http import HttpRequest

from users.callers import Caller
from users.credentials import get_user_by_username
from users.errors import (
    AccountDisabled,
    BadCredentials,
    SecondFactorInvalid,
    SecondFactorRequired,
    TooManyAttempts,
)
from users.models import User
from users.origin import NOWHERE, Origin


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
