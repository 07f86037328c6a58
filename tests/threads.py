"""Call core functions in other threads. Each thread has its own connection."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from django.db import connection


@contextmanager
def other_threads(count: int = 4) -> Iterator[Callable[..., Future]]:
    """Yield `start(function, *args, **kwargs)`, which calls the function in another thread and returns the future."""
    with ThreadPoolExecutor(count) as pool:

        def run(function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
            try:
                return function(*args, **kwargs)
            finally:
                connection.close()

        yield lambda function, *args, **kwargs: pool.submit(run, function, args, kwargs)
