"""Do one job, and decide whether it is tried again."""

import logging
from contextvars import copy_context
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic

from sessions.jobs import times
from sessions.jobs.call import Call
from sessions.jobs.deferring import JOBS, Job, Queue
from sessions.jobs.table import Taken
from users.clock import database_now
from users.database_use import Use, serve_nobody, set_use
from users.request_id import request_id
from users.sealing import CannotUnseal

logger = logging.getLogger("zapauth.jobs")

# How often to try a job that this server can't read: a server with another SECRET_KEY, or of a newer version, may have
# stored it. With the pauses this takes about half an hour.
MOST_UNREADABLE = 11


class TryAgain(Exception):
    """A job can't be done now. The text says why, without personal data."""


class Unreachable(TryAgain):
    """Neither this job nor any other job of its queue can be done now. The text says why."""


@dataclass(frozen=True)
class Outcome:
    """How a job went.

    ``is_done``: whether its function has returned. ``again_at``: when to try it again; None: it is done or dropped.
    ``stops_queue``: why its queue should pause; empty: it should not. ``dropped``: why it was dropped: `expired` or
    `given_up`; empty: it was not.
    """

    is_done: bool = False
    again_at: datetime | None = None
    stops_queue: str = ""
    dropped: str = ""


@dataclass(frozen=True)
class Opened:
    """A job with its decrypted call, or with None if it can't be decrypted.

    ``now`` is the database's time when the job was opened. ``began`` is the same moment by the monotonic clock.
    """

    taken: Taken
    call: Call | None
    now: datetime
    began: float

    @property
    def job(self) -> Job[...] | None:
        return JOBS.get(self.call.name) if self.call and self.call.name == self.taken.name else None


def open_job(taken: Taken) -> Opened:
    """Decrypt a job and ask the database for the time. Only this step needs a connection."""
    try:
        call = Call.unsealed(taken.sealed)
    except CannotUnseal:
        call = None
    return Opened(taken, call, database_now(), monotonic())


def do(opened: Opened) -> Outcome:
    """Do a job, unless it has expired. It raises nothing: it logs errors."""
    taken, call, job = opened.taken, opened.call, opened.job
    if call is not None and call.expires_at <= opened.now:
        _log(logging.WARNING, opened, "has expired and is not done")
        return Outcome(dropped="expired")
    if call is None or job is None:
        return _unreadable(opened)
    try:
        # A context of its own: a job has other time limits than a request, and uses none of a user's connections.
        copy_context().run(_call, job, call)
    except TryAgain as error:
        stops_queue = str(error) if isinstance(error, Unreachable) else ""
        if not stops_queue:
            _log(logging.WARNING, opened, f"failed and is tried again: {error}")
        return Outcome(again_at=_next_time(opened), stops_queue=stops_queue)
    except Exception as error:
        # The stack may be long, so log it only at the first attempt.
        _log(logging.ERROR, opened, "failed and is tried again", with_stack=not taken.attempts)
        stops_queue = type(error).__name__ if job.queue == Queue.MAIL else ""
        return Outcome(again_at=_next_time(opened), stops_queue=stops_queue)
    return Outcome(is_done=True)


def _call(job: Job[...], call: Call) -> None:
    set_use(Use.COMMAND)
    serve_nobody()
    request_id.set(call.request_id)
    job(*call.args, **call.kwargs)


def _unreadable(opened: Opened) -> Outcome:
    why = "is not known to this server"
    if opened.call is None:
        why = "was stored with another SECRET_KEY or by another version"
    if opened.taken.attempts >= MOST_UNREADABLE:
        _log(logging.ERROR, opened, f"{why} and is given up")
        return Outcome(dropped="given_up")
    _log(logging.WARNING, opened, f"{why} and is tried again")
    return Outcome(again_at=_next_time(opened))


def _next_time(opened: Opened) -> datetime:
    since = timedelta(seconds=monotonic() - opened.began)
    return opened.now + since + times.doubled(times.FIRST_PAUSE, times.LONGEST_PAUSE, opened.taken.attempts)


def _log(level: int, opened: Opened, what: str, *, with_stack: bool = False) -> None:
    """Log what happened to the job, with the id of its request."""
    extra = {"request_id": opened.call.request_id or None} if opened.call else {}
    logger.log(level, "the job %s (%d) %s", opened.taken.name, opened.taken.id, what, exc_info=with_stack, extra=extra)
