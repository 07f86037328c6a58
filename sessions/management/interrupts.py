"""Handle SIGINT and SIGTERM in commands that work in batches."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def noticing_signals() -> Iterator[Callable[[], bool]]:
    """Let the block finish its batch after a first signal. Yields a function that returns whether a signal has arrived.

    A second signal raises KeyboardInterrupt, and the transaction is rolled back.
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
