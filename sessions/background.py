"""What may take its time, such as a mail: done after the answer, in a thread of the worker.

Not kept anywhere: what is waiting when a worker dies is lost, and whoever waits for a mail asks again.
"""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from threading import BoundedSemaphore
from typing import Any

from django.db import connections

logger = logging.getLogger("zapauth.background")

MOST_WAITING = 1000
_places = BoundedSemaphore(MOST_WAITING)
_threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="after-answer")


def after_answer(job: Callable[..., None], *args: Any) -> None:
    """Call ``job`` soon, in another thread. What it raises is logged, under the id of this request."""
    if not _places.acquire(blocking=False):
        logger.error("%s is left out: %d others wait", job.__name__, MOST_WAITING)
        return

    def run() -> None:
        try:
            job(*args)
        except Exception:
            logger.exception("%s failed", job.__name__)
        finally:
            _places.release()

    _start(run)


def _start(run: Callable[[], None]) -> None:
    def run_and_let_go() -> None:
        try:
            run()
        finally:
            connections.close_all()  # back to the pool

    _threads.submit(copy_context().run, run_and_let_go)
