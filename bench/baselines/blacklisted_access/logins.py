from collections.abc import Iterator

from bench.baselines.blacklisted_access.tokens import PairedRefreshToken
from bench.baselines.plain_simplejwt import logins
from bench.logins import Login


def mint(count: int) -> Iterator[Login]:
    return logins.mint(count, PairedRefreshToken)
