"""The hasher of passwords."""

from django.contrib.auth.hashers import Argon2PasswordHasher


class OwaspArgon2(Argon2PasswordHasher):
    """Argon2id with 19 MiB and two passes (OWASP Password Storage Cheat Sheet).

    Django's default takes 100 MiB for each hash. Each thread may be hashing a password at the same time.
    """

    memory_cost = 19 * 1024
    time_cost = 2
    parallelism = 1
