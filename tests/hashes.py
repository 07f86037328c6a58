"""The project's password hasher with a low cost, because the suite checks thousands of passwords."""

from typing import Any

from tests.log_secrets import WATCH
from users.password_hasher import OwaspArgon2


class CheapArgon2(OwaspArgon2):
    memory_cost = 64
    time_cost = 1

    def encode(self, password: str, *given: Any) -> str:
        WATCH.remember(password)
        return super().encode(password, *given)

    def verify(self, password: str, encoded: str) -> bool:
        WATCH.remember(password)
        return super().verify(password, encoded)
