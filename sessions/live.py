"""Which sessions are live, for the database: `Session.refusal` in SQL, held to it by a test."""

from datetime import datetime

from django.db.models import F, Q, QuerySet

from sessions.models import Refusal, Session
from sessions.timeouts import not_idle_since
from users.models import App


def live_sessions(sessions: QuerySet[Session], *, now: datetime) -> QuerySet[Session]:
    """Those of ``sessions`` whose tokens are accepted at ``now``."""
    app, user = Q(app__sessions_valid_after=None), Q(user__sessions_valid_after=None)
    return sessions.filter(
        app | Q(created_at__gt=F("app__sessions_valid_after")),
        Q(user=None) | Q(user_epoch=F("user__session_epoch")),
        Q(user=None)
        | (Q(user__is_active=True, user__deleted_at=None) & (user | Q(created_at__gt=F("user__sessions_valid_after")))),
        Q(app__kind=App.Kind.CLIENT) | Q(user__is_staff=True),
        not_idle_since(now),
        ended_at=None,
        expires_at__gt=now,
        app__is_active=True,
        app_epoch=F("app__session_epoch"),
    )


# The sessions that an order refuses, ended or not: `Session._is_cut_off` in SQL.
CUT_OFF = {
    Refusal.APP_CUT_OFF: ~Q(app_epoch=F("app__session_epoch")) | Q(created_at__lte=F("app__sessions_valid_after")),
    Refusal.USER_CUT_OFF: Q(user__isnull=False)
    & (~Q(user_epoch=F("user__session_epoch")) | Q(created_at__lte=F("user__sessions_valid_after"))),
}
