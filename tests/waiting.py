"""Wait for an event in another thread or process."""

import time
from collections.abc import Callable
from typing import Any


def wait_until(happened: Callable[[], Any], *, seconds: float = 60) -> Any:
    """Call ``happened()`` until it returns a true value. Return that value. Fails after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not (said := happened()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {happened}"
        time.sleep(0.005)
    return said
