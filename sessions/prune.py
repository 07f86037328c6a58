"""Forgetting what is past its retention: in batches, and by as many at a time as like to."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.contrib.sessions.models import Session as BrowserSession
from django.db import connection, transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from sessions.models import Session
from users.models import ResetCode, Throttle

BATCH = 2000


def prunable(*, ended_before: datetime) -> dict[str, QuerySet[Any]]:
    """What may go, by what it is called: sessions that ended before then, and what has expired anyway.

    In the order in which it has to go. A session that another was opened from stays as long as that one.
    """
    now = timezone.now()
    opened = Session.objects.filter(opened_from=OuterRef("pk"))
    return {
        "blacklisted tokens": BlacklistedToken.objects.filter(token__expires_at__lte=now),
        "refresh tokens": OutstandingToken.objects.filter(expires_at__lte=now, blacklistedtoken=None),
        "ended sessions": Session.objects.filter(~Exists(opened), ended_at__lt=ended_before),
        "reset codes": ResetCode.objects.filter(expires_at__lte=now),
        "throttles": Throttle.objects.filter(resets_at__lte=now),
        "browser sessions": BrowserSession.objects.filter(expire_date__lte=now),
    }


def prune(rows: QuerySet[Any]) -> Iterator[int]:
    """Delete ``rows``; yields how many after each batch. What another prune holds is left to it."""
    deleted = 0
    meta = rows.model._meta
    while True:
        with transaction.atomic(), connection.cursor() as cursor:
            free = rows.select_for_update(of=("self",), skip_locked=True)
            ids = list(free.values_list("pk", flat=True)[:BATCH])
            if not ids:
                return
            # Not the ORM's delete, which would fetch every row to look for what hangs on it: nothing does.
            assert meta.pk is not None  # noqa: S101
            statement = f'DELETE FROM "{meta.db_table}" WHERE "{meta.pk.column}" = ANY(%s)'  # noqa: S608
            cursor.execute(statement, (ids,))
        deleted += len(ids)
        yield deleted
