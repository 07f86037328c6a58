"""Sessions that end by themselves: absolute and idle time-outs.

A token is refused the second that its session times out (`Session.refusal`). What is here writes the
end down afterwards, through the same door as every other, so that pushes stop and the record says why.
"""

import logging
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import connection, connections
from django.db.models import Case, DurationField, F, Q, QuerySet, Value, When
from django.db.models.functions import Coalesce, NullIf

from sessions.figures import count_figures
from sessions.logout import end_sessions
from sessions.models import EndReason, Session
from users.clock import database_now
from users.database_use import Use, set_use
from users.models import App
from users.refused_logins import forget_old
from users.throttling import forget_past

logger = logging.getLogger("zapauth.sessions")

SWEEP_EVERY = timedelta(minutes=5)
BATCH = 1000
# Of PostgreSQL's advisory locks, any number that nothing else takes.
_SWEEP_LOCK = 0x5A41_5057


def end_timed_out(sessions: QuerySet[Session] | None = None) -> int:
    """End those of ``sessions`` (all there are) that have timed out; how many that were."""
    sessions = Session.objects.all() if sessions is None else sessions
    ended = 0
    for reason, rule in _rules(database_now()):
        late = sessions.filter(rule, ended_at=None)
        while ids := list(late.values_list("pk", flat=True)[:BATCH]):
            # By the rule again: one may have been used since, and lives on.
            ended += len(end_sessions(late.filter(pk__in=ids), actor=None, reason=reason))
            if len(ids) < BATCH:
                break
    return ended


def _rules(now: datetime) -> Iterator[tuple[EndReason, Q]]:
    yield EndReason.EXPIRED, Q(expires_at__lte=now)
    yield EndReason.IDLE, idle_since(now)


def idle_since(now: datetime) -> Q:
    """Not used for too long by then."""
    return Q(user__isnull=False, last_seen_at__lte=Value(now) - _idle_timeout())


def not_idle_since(now: datetime) -> Q:
    """The others. Not `~idle_since`: where an app knows no idleness, PostgreSQL takes neither for true."""
    limit = Coalesce(Value(now) - _idle_timeout(), Value(_LONG_AGO))
    return Q(user=None) | Q(last_seen_at__gt=limit)


_LONG_AGO = datetime(1, 1, 2, tzinfo=UTC)


def _idle_timeout() -> NullIf:
    # As `sessions.policy.idle_timeout` has it, in SQL; zero, which is never, is NULL.
    staff = Value(settings.STAFF_IDLE_TIMEOUT, output_field=DurationField())
    users = Value(settings.SESSION_IDLE_TIMEOUT, output_field=DurationField())
    default = Case(When(app__kind=App.Kind.ADMIN, then=staff), default=users)
    never = Value(timedelta(0), output_field=DurationField())
    return NullIf(Coalesce(F("app__idle_timeout"), default), never)


def sweep() -> None:
    """End what has timed out, forget throttles that have, bring the dashboard's figures up to date.

    One of several servers does it at a time.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", (_SWEEP_LOCK,))
        if not cursor.fetchone()[0]:
            return
        try:
            end_timed_out()
            forget_past()
            forget_old()
            count_figures()
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", (_SWEEP_LOCK,))


class Sweeper(threading.Thread):
    """Sweeps now and every few minutes, until it is told to stop."""

    def __init__(self) -> None:
        super().__init__(name="sweeper", daemon=True)
        self._stopped = threading.Event()

    def run(self) -> None:
        set_use(Use.COMMAND)
        while True:
            try:
                sweep()
            except Exception:
                logger.exception("the sweep failed; it will be tried again")
            try:
                connections.close_all()
            except Exception:
                logger.exception("the sweep's connection broke")
            if self._stopped.wait(SWEEP_EVERY.total_seconds()):
                return

    def stop(self) -> None:
        """Returns when the sweep at hand is done."""
        self._stopped.set()
        self.join()
