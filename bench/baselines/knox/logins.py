"""Make logins without hashing passwords, by knox's own manager. Its tokens live for ten hours."""

from collections.abc import Iterator

from django.db import transaction
from knox.models import AuthToken

from bench.baselines.users import make_users
from bench.logins import Login


@transaction.atomic
def mint(count: int) -> Iterator[Login]:
    for user in make_users(count):
        _, token = AuthToken.objects.create(user)
        yield {"username": user.username, "access": token}
