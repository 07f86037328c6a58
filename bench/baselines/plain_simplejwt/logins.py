"""Make logins without hashing passwords, by the token classes themselves."""

from collections.abc import Iterator
from datetime import timedelta

from django.db import transaction
from rest_framework_simplejwt.tokens import RefreshToken

from bench.baselines.users import make_users
from bench.logins import Login


@transaction.atomic
def mint(count: int, token_class: type[RefreshToken] = RefreshToken) -> Iterator[Login]:
    for user in make_users(count):
        refresh = token_class.for_user(user)
        access = refresh.access_token
        access.set_exp(lifetime=timedelta(hours=12))  # otherwise it would expire before it is used
        yield {"username": user.username, "access": str(access), "refresh": str(refresh)}
