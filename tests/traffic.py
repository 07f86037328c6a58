"""Clients that make calls all the time, each in a thread of its own, while a test does something else."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, Self


class Traffic:
    """Clients that go on while the block runs. A subclass says in `go_on` what a client does.

    `calls` counts the calls of each kind, `longest` has the slowest of each kind in seconds, and `failed` has each
    call that was no success: its kind, and its answer or error.

    Args: pause: the seconds between two rounds of a client, which leave some of the processor to others.
    """

    def __init__(self, clients: Iterable[Any], *, pause: float) -> None:
        self.calls, self.longest, self.failed = Counter[str](), dict[str, float](), list[tuple[str, Any]]()
        self._pause, self._done, self._noting = pause, threading.Event(), threading.Lock()
        self._threads = [threading.Thread(target=self.go_on, args=[client]) for client in clients]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join(60)

    def go_on(self, client: Any) -> None:
        """Make calls by `call` as long as `goes_on` says so."""
        raise NotImplementedError

    def goes_on(self) -> bool:
        """Wait for the pause. Returns: whether the block still runs."""
        return not self._done.wait(self._pause)

    def call(self, kind: str, make: Callable[..., Any], *arguments: Any) -> None:
        """Make a call. An error is a failure, and so is an answer over HTTP whose status is not 200."""
        began = time.monotonic()
        try:
            answer = make(*arguments)
            is_success = getattr(answer, "status", 200) == 200
        except Exception as error:
            answer, is_success = error, False
        took = time.monotonic() - began
        with self._noting:
            self.calls[kind] += 1
            self.longest[kind] = max(took, self.longest.get(kind, 0))
            if not is_success:
                self.failed.append((kind, answer))
