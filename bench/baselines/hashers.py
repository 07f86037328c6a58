from django.contrib.auth.hashers import Argon2PasswordHasher


class CheapArgon2(Argon2PasswordHasher):
    """Argon2 at its least cost: a real hash takes 18 ms of CPU and hides what a log-in does beside it."""

    memory_cost = 8
    time_cost = 1
    parallelism = 1
