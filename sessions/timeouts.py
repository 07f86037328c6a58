"""Time-outs, absolute and idle.

A token is refused from the second in which its session times out: `Session.refusal`. Afterwards `end_timed_out`
ends the session with `end_sessions`, so that pushes stop and the row stores the reason.
"""

from collections.abc import Iterator
from datetime import datetime

from django.db.models import Q, QuerySet

from sessions.liveness import idle_since
from sessions.logout import end_sessions
from sessions.models import EndReason, Session
from users.clock import database_now

BATCH = 1000


def end_timed_out(sessions: QuerySet[Session] | None = None) -> int:
    """End the sessions in ``sessions`` that have timed out; None means all sessions. Returns: how many it ended."""
    sessions = Session.objects.all() if sessions is None else sessions
    ended = 0
    for reason, rule in _rules(database_now()):
        late = sessions.filter(rule, ended_at=None)
        while ids := list(late.values_list("pk", flat=True)[:BATCH]):
            # Check the rule again: a session that was used meanwhile stays open.
            ended += len(end_sessions(late.filter(pk__in=ids), actor=None, reason=reason))
            if len(ids) < BATCH:
                break
    return ended


def _rules(now: datetime) -> Iterator[tuple[EndReason, Q]]:
    yield EndReason.EXPIRED, Q(expires_at__lte=now)
    yield EndReason.IDLE, idle_since(now)
