"""The project's password hasher with a low cost, because the suite checks thousands of passwords."""

from users.credentials import OwaspArgon2


class CheapArgon2(OwaspArgon2):
    memory_cost = 64
    time_cost = 1
