"""Row locks, in the one order that everybody keeps: docs/architecture.md has it as a table.

Apps, users, codes, the bulk run, sessions, devices, push addresses, throttles; the rows of each table by their
keys. Each lock is FOR NO KEY UPDATE: others may point at the row meanwhile, as a session does that is opened from it.
"""

from collections.abc import Iterable
from uuid import UUID

from django.db.models import Q, QuerySet

from sessions.models import Session
from users.devices import lock_device_tokens


def lock_sessions(sessions: QuerySet[Session]) -> dict[UUID, Session]:
    """Lock ``sessions`` until the transaction ends; returns them as they are now, by their ids."""
    return {row.pk: row for row in sessions.order_by("pk").select_for_update(of=("self",), no_key=True)}


def lock_addresses_of(sessions: Iterable[UUID], *, and_of: Q | None = None) -> None:
    """Lock each push address that the end of one of ``sessions`` may write, and those of the rule ``and_of``.

    For a transaction that writes more of them than `end_sessions` does: it locks all of them at once.
    """
    rows = Session.objects.filter(pk__in=list(sessions))
    ids = rows.exclude(device_token=None).values("device_token")
    devices = rows.exclude(device=None).values("device")
    rule = Q(pk__in=ids) | Q(device__in=devices)
    lock_device_tokens(rule if and_of is None else rule | and_of)
