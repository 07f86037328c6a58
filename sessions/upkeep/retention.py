"""Delete rows whose retention is over, in batches. Several processes may do it at the same time."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from sessions.models import Session
from users.clock import database_now
from users.models import CrashReport, OneTimeCode, OneUseLink, SecurityEvent, Throttle

BATCH = 2000
# Expired tokens stay this long. If a revoked token left the blacklist earlier, a server whose clock is behind would
# accept it again.
CLOCKS_DIFFER = timedelta(days=1)


@dataclass(frozen=True)
class Prunable:
    """Rows of one kind that may be deleted. Rows that are not ``ready`` must wait until other rows are deleted.

    ``setting`` is a setting of PostgreSQL without which a trigger refuses to delete them.
    """

    kind: str
    rows: QuerySet[Any]
    ready: Any = None  # a condition
    setting: str = ""


def prunable(*, ended_before: datetime) -> list[Prunable]:
    """List the sessions that ended before then, and everything that has expired, in the order in which to delete it."""
    now = database_now()
    expired = now - CLOCKS_DIFFER
    recorded_before = now - timedelta(days=settings.RECORD_RETENTION)
    reported_before = now - settings.CRASH_REPORT_RETENTION
    # A session stays as long as a session that was opened from it.
    opened = Session.objects.filter(opened_from=OuterRef("pk"))
    stays = Q(ended_at=None) | Q(ended_at__gte=ended_before)
    return [
        Prunable("blacklisted tokens", BlacklistedToken.objects.filter(token__expires_at__lte=expired)),
        Prunable("refresh tokens", OutstandingToken.objects.filter(expires_at__lte=expired), Q(blacklistedtoken=None)),
        Prunable(
            "ended sessions",
            Session.objects.filter(~Exists(opened.filter(stays)), ended_at__lt=ended_before),
            ~Exists(opened),
        ),
        Prunable("security events", SecurityEvent.objects.filter(at__lt=recorded_before), setting="zapauth.prune"),
        Prunable("crash reports", CrashReport.objects.filter(created_at__lt=reported_before)),
        Prunable("reset codes", OneTimeCode.objects.filter(expires_at__lte=expired)),
        Prunable("mailed links", OneUseLink.objects.filter(expires_at__lte=expired)),
        Prunable("throttles", Throttle.objects.filter(resets_at__lte=expired)),
    ]


def prune(what: Prunable) -> Iterator[int]:
    """Delete ``what``. Yields how many rows after each batch. Rows that another process has locked are skipped."""
    deleted = 0
    meta = what.rows.model._meta
    while True:
        with transaction.atomic(), connection.cursor() as cursor:
            free = what.rows if what.ready is None else what.rows.filter(what.ready)
            free = free.select_for_update(of=("self",), skip_locked=True)
            ids = list(free.values_list("pk", flat=True)[:BATCH])
            if not ids:
                return
            # The ORM's delete would fetch every row to find rows that refer to it. There are no such rows.
            assert meta.pk is not None  # noqa: S101
            if what.setting:
                cursor.execute("SELECT set_config(%s, 'on', true)", (what.setting,))
            statement = f'DELETE FROM "{meta.db_table}" WHERE "{meta.pk.column}" = ANY(%s)'  # noqa: S608
            cursor.execute(statement, (ids,))
        deleted += len(ids)
        yield deleted
