"""SIGINT and SIGTERM, for commands that work in batches."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def noticing_signals() -> Iterator[Callable[[], bool]]:
    """Inside the block the first signal interrupts nothing; yields a function that says whether one has come.

    So a batch can be finished. A second signal raises KeyboardInterrupt, which PostgreSQL answers with a rollback.
    """
    received: list[int] = []

    def receive(number: int, _: Any) -> None:
        if received:
            raise KeyboardInterrupt
        received.append(number)

    before = {number: signal.signal(number, receive) for number in _SIGNALS}
    try:
        yield lambda: bool(received)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
