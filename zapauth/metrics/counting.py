"""Count the events that the core reports to `users.counting`."""

from sessions.jobs.deferring import Queue
from users import counting
from users.models import RefusedLogin
from users.record.events import Event
from zapauth.metrics import files
from zapauth.metrics.doors import BULK, door


def begin() -> None:
    """Count in this process from now on, if METRICS_PORT is set."""
    if files.folder() is not None:
        counting.use(Counted())


class Counted:
    """`users.counting.Counts`, by prometheus-client. The module of the figures opens files, so it is imported late."""

    def __init__(self) -> None:
        from zapauth.metrics import figures

        self._figures = figures
        # From zero: Prometheus sees no increase when a figure first appears.
        for reason in RefusedLogin.Reason:
            figures.LOGINS_REFUSED.labels(reason.value)
        for queue in Queue:
            for why in ("expired", "given_up"):
                figures.JOBS_DROPPED.labels(queue.value, why)

    def session_opened(self) -> None:
        self._figures.SESSIONS_OPENED.labels(door()).inc()

    def sessions_ended(self, count: int, *, reason: str, is_bulk: bool) -> None:
        self._figures.SESSIONS_ENDED.labels(reason, BULK if is_bulk else door()).inc(count)

    def token_refused(self, *, rule: str) -> None:
        self._figures.TOKENS_REFUSED.labels(rule, door()).inc()

    def login_refused(self, *, reason: str) -> None:
        self._figures.LOGINS_REFUSED.labels(reason).inc()

    def entry_written(self, *, event: str) -> None:
        self._figures.RECORD_ENTRIES.labels(event).inc()
        if event == Event.LOGIN.value:
            self._figures.LOGINS.labels(door()).inc()

    def job_dropped(self, *, queue: str, why: str) -> None:
        self._figures.JOBS_DROPPED.labels(queue, why).inc()

    def queue_paused(self, *, queue: str, is_paused: bool) -> None:
        self._figures.QUEUE_PAUSED.labels(queue).set(is_paused)
