from collections.abc import Iterator

from bench.logins import Login


def mint(count: int) -> Iterator[Login]:
    for _ in range(count):
        yield {}
