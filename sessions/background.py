"""What may take its time, such as a mail: done after the answer, in a thread of the worker.

Not kept anywhere: what is waiting when a worker dies is lost, and whoever waits for a mail asks again.
"""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from threading import BoundedSemaphore
from typing import Any

from django.db import connections, transaction

from users.database_use import Use, serve_nobody, set_use

logger = logging.getLogger("zapauth.background")

MOST_WAITING = 1000
_places = BoundedSemaphore(MOST_WAITING)
_threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="after-answer")
# What takes minutes has a thread of its own, so that no mail waits for it.
_long = ThreadPoolExecutor(max_workers=1, thread_name_prefix="long-after-answer")


def after_answer(job: Callable[..., None], *args: Any, takes_long: bool = False) -> None:
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

    (_start_long if takes_long else _start)(run)


def after_commit(job: Callable[..., None], *args: Any) -> None:
    """The same, once the transaction at hand is committed; if it is rolled back, never."""
    transaction.on_commit(lambda: after_answer(job, *args))


def finish() -> None:
    """Return when all that waits is done; nothing can be added any more. For a process that ends at once after it."""
    _threads.shutdown()
    _long.shutdown()


def _start(run: Callable[[], None]) -> None:
    _submit(run, _threads)


def _start_long(run: Callable[[], None]) -> None:
    _submit(run, _long)


def _submit(run: Callable[[], None], threads: ThreadPoolExecutor) -> None:
    def run_and_let_go() -> None:
        # The request's limits are not its own, and the user whom it served need not wait for it.
        set_use(Use.COMMAND)
        serve_nobody()
        try:
            run()
        finally:
            connections.close_all()  # back to the pool

    threads.submit(copy_context().run, run_and_let_go)
