"""Jobs that run after the answer, such as a mail, in threads of the worker.

Waiting jobs are not stored. If the worker dies, they are lost, and a user who waits for a mail has to ask again.
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
# Jobs that take minutes have their own thread, so that no mail waits for them.
_long = ThreadPoolExecutor(max_workers=1, thread_name_prefix="long-after-answer")


def after_answer(job: Callable[..., None], *args: Any, takes_long: bool = False) -> None:
    """Run ``job`` soon, in another thread. An exception is logged with the id of this request.

    Args: takes_long: use the thread for jobs that take minutes.
    """
    if not _places.acquire(blocking=False):
        logger.error("%s is not done: %d other jobs are waiting", job.__name__, MOST_WAITING)
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
    """Call `after_answer` when the open transaction commits, and never if it is rolled back."""
    transaction.on_commit(lambda: after_answer(job, *args))


def finish() -> None:
    """Refuse new jobs, and return when all waiting jobs are done. Call this before the process ends."""
    _threads.shutdown()
    _long.shutdown()


def _start(run: Callable[[], None]) -> None:
    _submit(run, _threads)


def _start_long(run: Callable[[], None]) -> None:
    _submit(run, _long)


def _submit(run: Callable[[], None], threads: ThreadPoolExecutor) -> None:
    def run_and_let_go() -> None:
        # The job has other time limits than the request, and does not use one of the user's connections.
        set_use(Use.COMMAND)
        serve_nobody()
        try:
            run()
        finally:
            connections.close_all()  # return the connection to the pool

    threads.submit(copy_context().run, run_and_let_go)
