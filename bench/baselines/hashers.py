from django.contrib.auth.hashers import Argon2PasswordHasher


class CheapArgon2(Argon2PasswordHasher):
    """Argon2 with the lowest cost. A real hash takes 18 ms of CPU, which would hide the rest of a log-in."""

    memory_cost = 8
    time_cost = 1
    parallelism = 1
