"""Put a job into the queue, in the transaction that causes it. A server's main process does it: `sessions.jobs.worker`.

A job is done at least once. It is repeated after a crash or a failure, until it expires. So a job that does more than
send a mail must be one transaction.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Generic, ParamSpec

from sessions.jobs.call import Call
from sessions.jobs.table import store
from users.clock import database_now
from users.request_id import request_id

P = ParamSpec("P")


class Queue(StrEnum):
    """Each queue has its own threads, so that no other job waits for a mail server. The values are in the database."""

    MAIL = "mail"
    OTHER = "other"


@dataclass(frozen=True)
class Job(Generic[P]):
    """A function that can be put into the queue. Its arguments must be values of JSON.

    ``name`` is in the database: never rename a job. After its ``lifetime`` a job is neither begun nor tried again.
    """

    name: str
    function: Callable[P, None]
    lifetime: timedelta
    queue: Queue
    is_urgent: bool

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """Do the job now, without the queue."""
        self.function(*args, **kwargs)


# A server's main process imports `sessions.jobs.modules.WITH_JOBS`, so it knows all jobs.
JOBS: dict[str, Job[...]] = {}


def job(
    name: str, *, lifetime: timedelta, queue: Queue = Queue.OTHER, is_urgent: bool = False
) -> Callable[[Callable[P, None]], Job[P]]:
    """Make a function a job.

    Args: is_urgent: whether it comes before all jobs of its queue that are not urgent.
    """

    def make(function: Callable[P, None]) -> Job[P]:
        made = Job(name, function, lifetime, queue, is_urgent)
        JOBS[name] = made
        return made

    return make


def after_commit(what: Job[P], *args: P.args, **kwargs: P.kwargs) -> None:
    """Do the job soon after the open transaction has committed, and never if it is rolled back.

    Without an open transaction, the job is stored at once. This takes two statements. The arguments are encrypted.
    """
    call = Call(what.name, args, kwargs, expires_at=database_now() + what.lifetime, request_id=request_id.get())
    store(queue=what.queue.value, name=what.name, sealed=call.sealed(), is_urgent=what.is_urgent)
