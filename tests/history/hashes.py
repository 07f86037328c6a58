"""A password hasher with a low cost: the clients log in thousands of times."""

from users.password_hasher import OwaspArgon2


class CheapArgon2(OwaspArgon2):
    memory_cost = 64
    time_cost = 1
