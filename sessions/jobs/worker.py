"""Do the jobs of the queue, in threads of a server's main process. All servers share the work.

- A thread takes a job, does it, and deletes it. If the server dies meanwhile, the job stays in the table. Each server
  gives signs of life, and takes over the jobs of servers that give none.
- While nothing waits, one thread of each queue looks for jobs, a few times a second.
- If a mail server can't be reached, its queue pauses. Other jobs go on.
"""

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from time import monotonic

from django.db import Error, IntegrityError, connections

from sessions.jobs import table, times
from sessions.jobs.deferring import Queue
from sessions.jobs.doing import Outcome, do, open_job
from sessions.jobs.modules import load_jobs
from sessions.jobs.table import NotOurs, Taken
from users.counting import job_dropped, queue_paused

logger = logging.getLogger("zapauth.jobs")


class QueueWorker:
    """The threads of one server, from `start` to `stop`.

    Args: check: raises an error if a backup was restored. It is called before the first job after an outage of the
        database.
    """

    def __init__(self, check: Callable[[], None] = lambda: None) -> None:
        load_jobs()
        self._check = check
        self._stopped = threading.Event()
        self._asking = threading.Lock()
        self._worker_id: int | None = None
        self._failing = self._is_unsure = False
        lines = [_Line(queue) for queue in Queue]
        self._threads = [_thread(f"jobs: {line.queue}", self._work, line) for line in lines for _ in range(line.size)]
        self._life = _thread("jobs: signs of life", self._live)

    def start(self) -> None:
        for thread in [*self._threads, self._life]:
            thread.start()

    def stop(self) -> None:
        """Wait for the running jobs, but only a few seconds. Other servers take over the jobs that take longer."""
        self._stopped.set()
        deadline = monotonic() + times.LAST_JOBS.total_seconds()
        for thread in [*self._threads, self._life]:
            thread.join(max(0, deadline - monotonic()))
        if self._worker_id is not None:
            with suppress(Error):
                table.unregister(self._worker_id)
        _let_go()

    # --- doing jobs ----------------------------------------------------------------------------

    def _work(self, line: "_Line") -> None:
        while not self._stopped.is_set():
            with line.looking:  # the other threads of the queue wait here
                taken = self._wait_for_job(line)
            if taken is not None:
                outcome = self._do(taken)
                if outcome is not None:
                    line.note(outcome)
                    self._tell(taken, outcome)

    def _wait_for_job(self, line: "_Line") -> Taken | None:
        """Return the next job. None: the server stops."""
        while not self._stopped.wait(line.pause()):
            try:
                taken = self._take(line)
            except Exception as error:
                self._note_error(error)
            else:
                if taken is not None:
                    return taken
            finally:
                _let_go()
            if self._stopped.wait((times.AFTER_ERROR if self._failing else times.LOOK_EVERY).total_seconds()):
                return None
        return None

    def _take(self, line: "_Line") -> Taken | None:
        with self._asking:
            if self._is_unsure:
                self._check()
                self._is_unsure = False
        taken = table.take(line.queue.value, worker_id=self._id())
        if self._failing:
            self._failing = False
            logger.info("jobs are done again")
        return taken

    def _do(self, taken: Taken) -> Outcome | None:
        """Do the job. Returns: None, if the server stops before the job has begun."""
        while True:
            try:
                opened = open_job(taken)
                break
            except Error:
                if self._stopped.wait(times.AFTER_ERROR.total_seconds()):
                    return None
            finally:
                _let_go()  # a mail needs no connection
        try:
            return do(opened)
        finally:
            _let_go()

    def _tell(self, taken: Taken, outcome: Outcome) -> None:
        """Store how the job went, and try until that succeeds. Otherwise the job would be done again."""
        while True:
            try:
                if outcome.again_at is None:
                    table.finish(taken)
                else:
                    table.put_back(taken, at=outcome.again_at)
                return
            except NotOurs:
                logger.info("the job %s (%d) was taken over by another server", taken.name, taken.id)
                return
            except Error:
                if self._stopped.wait(times.AFTER_ERROR.total_seconds()):
                    return
            finally:
                _let_go()

    # --- the database --------------------------------------------------------------------------

    def _id(self) -> int:
        with self._asking:
            if self._worker_id is None:
                self._worker_id = table.register()
            return self._worker_id

    def _note_error(self, error: Exception) -> None:
        with self._asking:
            if isinstance(error, IntegrityError):  # other servers have forgotten this one, after a long time
                self._worker_id = None
                return
            # Log an outage once, however long it lasts.
            if not self._failing:
                logger.warning("jobs wait until the database answers: %s", str(error).partition("\n")[0])
            self._failing = self._is_unsure = True

    def _live(self) -> None:
        """Give signs of life, and take over the jobs of servers that give none."""
        since = monotonic()  # when our own signs began to be regular
        last = since
        while not self._stopped.is_set():
            try:
                table.give_sign_of_life(self._id())
                now = monotonic()
                if now - last > 2 * times.SIGN_OF_LIFE_EVERY.total_seconds():
                    since = now  # the database may have been away, so that other servers gave no sign of life, either
                last = now
                self._take_back(is_sure=now - since > times.DEAD_AFTER.total_seconds())
            except Exception as error:
                logger.debug("no sign of life can be given: %s", type(error).__name__)
            finally:
                _let_go()
            self._stopped.wait(times.SIGN_OF_LIFE_EVERY.total_seconds())

    def _take_back(self, *, is_sure: bool) -> None:
        silent_for = times.DEAD_AFTER if is_sure else times.FORGOTTEN_AFTER
        for id_, name in table.take_back(silent_for=silent_for, pause=times.PAUSE_AFTER_DEATH):
            logger.warning("the job %s (%d) was left by a server that stopped; it is done again", name, id_)
        table.forget_workers(silent_for=times.FORGOTTEN_AFTER)


class _Line:
    """One queue in this server. It pauses, ever longer, while none of its jobs can be done."""

    def __init__(self, queue: Queue) -> None:
        self.queue = queue
        self.size = times.THREADS[queue.value]
        self.looking = threading.Lock()
        self._noting = threading.Lock()
        self._failures = 0
        self._goes_on_at = 0.0

    def pause(self) -> float:
        """Return the seconds until the queue goes on."""
        return max(0.0, self._goes_on_at - monotonic())

    def note(self, outcome: Outcome) -> None:
        """Note how a job went. The failures of all jobs that were begun before a pause count as one."""
        if outcome.dropped:
            job_dropped(self.queue.value, why=outcome.dropped)
        with self._noting:
            self._note(outcome)

    def _note(self, outcome: Outcome) -> None:
        if outcome.is_done:
            if self._failures:
                logger.info("the queue %s goes on", self.queue)
                queue_paused(self.queue.value, is_paused=False)
            self._failures = 0
        elif outcome.stops_queue and not self.pause():
            if not self._failures:
                logger.warning("the queue %s pauses: %s", self.queue, outcome.stops_queue)
                queue_paused(self.queue.value, is_paused=True)
            pause = times.doubled(times.FIRST_PAUSE_OF_QUEUE, times.LONGEST_PAUSE_OF_QUEUE, self._failures)
            self._goes_on_at = monotonic() + pause.total_seconds()
            self._failures += 1


def _let_go() -> None:
    """Return the connection to the pool."""
    try:
        connections.close_all()
    except Exception:
        logger.exception("a connection broke")


def _thread(name: str, target: Callable[..., None], *args: object) -> threading.Thread:
    return threading.Thread(name=name, target=target, args=args, daemon=True)
