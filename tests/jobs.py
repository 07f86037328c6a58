"""The queue of jobs in tests. Most tests do each job at once, in their own thread; `drained` works off a real queue."""

from itertools import count
from threading import local
from typing import Any

from django.db import connection, transaction

from sessions.jobs.doing import do, open_job
from sessions.jobs.table import Taken

_ids = count(1)
# While this thread does a job: the jobs that it stores. They are done next, if it succeeds.
_here = local()


def do_soon(*, name: str, sealed: str, **_: Any) -> None:
    """Do a job at once, or when the open transaction commits. The transaction around a test does not count."""
    taken = Taken(next(_ids), name, sealed, attempts=0)
    if getattr(_here, "stored", None) is not None:
        _here.stored.append(taken)
    elif any(not getattr(block, "_from_testcase", False) for block in connection.atomic_blocks):
        transaction.on_commit(lambda: do_now(taken))
    else:
        do_now(taken)


def do_now(taken: Taken) -> None:
    """Do a job, and the jobs that it stores."""
    stored = list[Taken]()
    _here.stored = stored
    try:
        outcome = do(open_job(taken))
    finally:
        _here.stored = None
    for each in stored if outcome.is_done else []:
        do_now(each)
