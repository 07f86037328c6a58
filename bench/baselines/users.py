"""Make users of a baseline in bulk. They share one password hash, because hashing for each would take hours."""

from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User

from bench.logins import PASSWORD


def make_users(count: int) -> list[User]:
    """Make new users. Existing users stay."""
    start, password = User.objects.count(), make_password(PASSWORD)
    return User.objects.bulk_create(
        User(username=f"bench_{n}", email=f"bench.{n}@example.org", password=password)
        for n in range(start, start + count)
    )
