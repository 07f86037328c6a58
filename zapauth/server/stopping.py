"""Stop the work of a server's main process within a limit of time.

A server that stops needs DRAIN_TIME and 20 seconds at most. So the unit of systemd and Docker wait for longer before
they kill it (docs/deploy.md):

- the workers: DRAIN_TIME, and ten seconds to finish their requests. Then the main process kills them;
- the work of the main process: `WITHIN`, all of it at the same time;
- the rest, such as closing the pool of connections: until `LEAVE_AFTER`. Then the process leaves without it.
"""

import logging
import os
import threading
import time
from typing import Protocol

from django.conf import settings
from django.db import connections

logger = logging.getLogger("zapauth.server")

# Seconds from the end of the workers. The queue needs five seconds of them, and some statements.
WITHIN = 8.0
LEAVE_AFTER = 10.0


class Stoppable(Protocol):
    def stop(self) -> None: ...


def stop_all(*works: Stoppable) -> None:
    """Stop all of them at the same time, and wait `WITHIN` at most.

    What takes longer ends with the process. PostgreSQL rolls its transaction back, and other servers go on with it.
    """
    _leave_at_last()
    deadline = time.monotonic() + WITHIN
    # The limits of a thread that has declared no use are those of requests: no statement takes over ten seconds.
    threads = [threading.Thread(target=_stop, args=[work], daemon=True) for work in works]
    for thread in threads:
        thread.start()
    for work, thread in zip(works, threads, strict=True):
        thread.join(max(0.0, deadline - time.monotonic()))
        if thread.is_alive():
            logger.warning("%s did not stop within %g s, and is left", type(work).__name__, WITHIN)


def _stop(work: Stoppable) -> None:
    try:
        work.stop()
    except Exception:
        logger.exception("%s could not be stopped", type(work).__name__)
    finally:
        connections.close_all()


def _leave_at_last() -> None:
    if settings.IS_LOCAL:  # the embedded PostgreSQL must be stopped, however long it takes
        return
    timer = threading.Timer(LEAVE_AFTER, _leave)
    timer.daemon = True
    timer.start()


def _leave() -> None:
    logger.error("the server has not stopped %g s after its workers, and leaves", LEAVE_AFTER)
    os._exit(1)
