"""Users of a baseline, made in bulk: one hash for all, or the hashing would take hours."""

from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User

from bench.logins import PASSWORD


def make_users(count: int) -> list[User]:
    """New ones, beside those that are there."""
    start, password = User.objects.count(), make_password(PASSWORD)
    return User.objects.bulk_create(
        User(username=f"bench_{n}", email=f"bench.{n}@example.org", password=password)
        for n in range(start, start + count)
    )
