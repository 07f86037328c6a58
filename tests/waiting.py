"""Waiting for something that another thread or process does."""

import time
from collections.abc import Callable
from typing import Any


def wait_until(happened: Callable[[], Any], *, seconds: float = 60) -> Any:
    """Ask again until ``happened()`` is true; fails after so many seconds. Returns what it said at last."""
    deadline = time.monotonic() + seconds
    while not (said := happened()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {happened}"
        time.sleep(0.005)
    return said
