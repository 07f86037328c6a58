from django.contrib.auth.hashers import Argon2PasswordHasher


class SameCostArgon2(Argon2PasswordHasher):
    """With the cost of `users.credentials.OwaspArgon2`, which can't be imported without ZapAuth's models."""

    memory_cost = 19 * 1024
    time_cost = 2
    parallelism = 1
