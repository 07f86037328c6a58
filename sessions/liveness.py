"""Filters for live and idle sessions: the rules of `Session.refusal` in SQL. A test compares the two."""

from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db.models import Case, DurationField, F, Q, QuerySet, Value, When
from django.db.models.functions import Coalesce, NullIf

from sessions.models import Refusal, Session
from users.models import App


def live_sessions(sessions: QuerySet[Session], *, now: datetime) -> QuerySet[Session]:
    """Return the sessions in ``sessions`` whose tokens are accepted at ``now``."""
    app, user = Q(app__sessions_valid_after=None), Q(user__sessions_valid_after=None)
    return sessions.filter(
        app | Q(created_at__gt=F("app__sessions_valid_after")),
        Q(user=None) | Q(user_epoch=F("user__session_epoch")),
        Q(user=None)
        | (Q(user__is_active=True, user__deleted_at=None) & (user | Q(created_at__gt=F("user__sessions_valid_after")))),
        Q(app__kind__in=[App.Kind.CLIENT, App.Kind.ACCOUNT]) | Q(user__is_staff=True),
        not_idle_since(now),
        ended_at=None,
        expires_at__gt=now,
        app__is_active=True,
        app_epoch=F("app__session_epoch"),
    )


# Filters for the sessions that an order refuses, whether they have ended or not: `Session._is_cut_off` in SQL.
CUT_OFF = {
    Refusal.APP_CUT_OFF: ~Q(app_epoch=F("app__session_epoch")) | Q(created_at__lte=F("app__sessions_valid_after")),
    Refusal.USER_CUT_OFF: Q(user__isnull=False)
    & (~Q(user_epoch=F("user__session_epoch")) | Q(created_at__lte=F("user__sessions_valid_after"))),
}


def idle_since(now: datetime) -> Q:
    """Return a filter for sessions that have been idle for too long at ``now``."""
    return Q(user__isnull=False, last_seen_at__lte=Value(now) - _idle_timeout())


def not_idle_since(now: datetime) -> Q:
    """Return a filter for sessions that have not been idle for too long at ``now``.

    This is not `~idle_since`. Without an idle time-out the condition compares with NULL, so neither it nor its
    negation would be true.
    """
    limit = Coalesce(Value(now) - _idle_timeout(), Value(_LONG_AGO))
    return Q(user=None) | Q(last_seen_at__gt=limit)


_LONG_AGO = datetime(1, 1, 2, tzinfo=UTC)


def _idle_timeout() -> NullIf:
    # `sessions.policy.idle_timeout` in SQL. Zero means never, and becomes NULL here.
    staff = Value(settings.STAFF_IDLE_TIMEOUT, output_field=DurationField())
    account = Value(settings.ACCOUNT_IDLE_TIMEOUT, output_field=DurationField())
    users = Value(settings.SESSION_IDLE_TIMEOUT, output_field=DurationField())
    pages = When(app__kind=App.Kind.ADMIN, then=staff), When(app__kind=App.Kind.ACCOUNT, then=account)
    default = Case(*pages, default=users)
    never = Value(timedelta(0), output_field=DurationField())
    return NullIf(Coalesce(F("app__idle_timeout"), default), never)
