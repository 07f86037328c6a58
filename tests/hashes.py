"""The project's password hash with little to do: the suite checks passwords by the ten thousand."""

from users.credentials import OwaspArgon2


class CheapArgon2(OwaspArgon2):
    memory_cost = 64
    time_cost = 1
