"""Statements on the queue's table, which belongs to procrastinate. Most of the statements are procrastinate's, too.

They run on Django's connection: a job is stored in the open transaction, and errors are Django's. We don't use
procrastinate's worker (docs/decisions/0019-a-queue-without-notify.md).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, LiteralString

from django.db import InternalError, connection
from procrastinate.sql import queries
from psycopg.errors import RaiseException
from psycopg.types.json import Jsonb

URGENT, NORMAL = 1, 0

# procrastinate's own function compares each job with all others, for locks that we don't use. With 100,000 waiting
# mails it takes 30 to 250 ms. This statement takes 0.1 ms, with the index of migration 0013. Jobs that were never tried
# come first.
_TAKE = """
WITH next AS MATERIALIZED (
    SELECT found.id
      FROM unnest(%(priorities)s) AS of(priority),
           LATERAL (SELECT id
                      FROM procrastinate_jobs AS job
                     WHERE status = 'todo' AND queue_name = %(queue)s AND job.priority = of.priority
                       AND coalesce(scheduled_at, '-infinity') <= now()
                     ORDER BY coalesce(scheduled_at, '-infinity'), id
                     LIMIT 1
                       FOR UPDATE SKIP LOCKED) AS found
     LIMIT 1
)
UPDATE procrastinate_jobs AS job
   SET status = 'doing', worker_id = %(worker_id)s
  FROM next
 WHERE job.id = next.id
RETURNING job.id, task_name, coalesce(args ->> 'sealed', ''), attempts
"""
# procrastinate can only list the jobs of dead workers. Two servers that list them at the same time would both do them.
_TAKE_BACK = """
UPDATE procrastinate_jobs AS job
   SET status = 'todo', attempts = attempts + 1, worker_id = NULL,
       scheduled_at = clock_timestamp() + attempts * %(pause)s::interval
 WHERE status = 'doing'
   AND (worker_id IS NULL
        OR worker_id = ANY(ARRAY(SELECT id FROM procrastinate_workers
                                  WHERE last_heartbeat < clock_timestamp() - %(after)s::interval)))
RETURNING id, task_name
"""
# procrastinate deletes finished jobs only.
_FORGET_ALL = "DELETE FROM procrastinate_jobs"


@dataclass(frozen=True)
class Taken:
    """A job that this server is doing. ``attempts``: how often it was begun before."""

    id: int
    name: str
    sealed: str
    attempts: int


class NotOurs(Exception):
    """Another server has taken the job over, or it was deleted."""


def store(*, queue: str, name: str, sealed: str, is_urgent: bool) -> None:
    """Add a job in the open transaction."""
    # The fields of `procrastinate_job_to_defer_v1`: queue, name, priority, two locks, arguments, not before.
    job = (queue, name, URGENT if is_urgent else NORMAL, None, None, Jsonb({"sealed": sealed}), None)
    _run("defer_jobs", jobs=[job])


def take(queue: str, *, worker_id: int) -> Taken | None:
    """Take the next job of the queue whose time has come, if there is one."""
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, {"queue": queue, "priorities": [URGENT, NORMAL], "worker_id": worker_id})
        row = cursor.fetchone()
        return Taken(*row) if row else None


def finish(job: Taken) -> None:
    """Delete the job. Raises: NotOurs."""
    with _taken_over():
        _run("finish_job", job_id=job.id, status="succeeded", delete_job=True)


def put_back(job: Taken, *, at: datetime) -> None:
    """Let the job be taken again at that time. Raises: NotOurs."""
    with _taken_over():
        _run("retry_job", job_id=job.id, retry_at=at, new_priority=None, new_queue_name=None, new_lock=None)


def register() -> int:
    """Add this server to the table of workers, with a first sign of life. Returns: the worker's id."""
    return int(_run("register_worker")[0])


def unregister(worker_id: int) -> None:
    """Delete the worker. Its jobs belong to no worker then, so the next server takes them back."""
    _run("unregister_worker", worker_id=worker_id)


def give_sign_of_life(worker_id: int) -> None:
    _run("update_heartbeat", worker_id=worker_id)


def forget_workers(*, silent_for: timedelta) -> None:
    """Delete the workers that have given no sign of life for ``silent_for``."""
    _run("prune_stalled_workers", seconds_since_heartbeat=silent_for.total_seconds())


def take_back(*, silent_for: timedelta, pause: timedelta) -> list[tuple[int, str]]:
    """Put back the jobs of workers that are deleted, or have given no sign of life for ``silent_for``.

    The database's clock decides.

    Args: pause: how long a job waits, for each time that it was begun before. A job may be what crashes the servers.

    Returns: the ids and names of the jobs.
    """
    with connection.cursor() as cursor:
        cursor.execute(_TAKE_BACK, {"after": _seconds(silent_for), "pause": _seconds(pause)})
        found: list[tuple[int, str]] = cursor.fetchall()
        return found


def forget_all_jobs() -> None:
    """Delete all jobs, including those that a server is doing."""
    with connection.cursor() as cursor:
        cursor.execute(_FORGET_ALL)


def _run(name: str, **arguments: Any) -> tuple[Any, ...]:
    """Run one of procrastinate's statements on Django's connection. Returns: the first row."""
    statement: LiteralString = queries[name]
    with connection.cursor() as cursor:
        cursor.execute(statement, arguments)
        row: tuple[Any, ...] = cursor.fetchone() or ()
        return row


def _seconds(span: timedelta) -> str:
    return f"{span.total_seconds()} seconds"


@contextmanager
def _taken_over() -> Iterator[None]:
    try:
        yield
    except InternalError as error:
        if isinstance(error.__cause__, RaiseException):  # "Job was not found or not in "doing" status"
            raise NotOurs from error
        raise
