"""Sessions that end by themselves: absolute and idle time-outs.

A token is refused the second that its session times out (`Session.refusal`). What is here writes the
end down afterwards, through the same door as every other, so that pushes stop and the record says why.
"""

import logging
from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db.models import Q, QuerySet

from sessions.liveness import idle_since
from sessions.logout import end_sessions
from sessions.models import EndReason, Session
from users.clock import database_now

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
