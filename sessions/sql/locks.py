"""Row locks, in the one order that everybody keeps: docs/architecture.md has it as a table.

Apps, users, codes, the bulk run, sessions, devices, push addresses, throttles; the rows of each table by their
keys. Each lock is FOR NO KEY UPDATE: others may point at the row meanwhile, as a session does that is opened from it.
"""

from collections.abc import Iterable
from uuid import UUID

from django.db.models import QuerySet

from sessions.models import Session
from sessions.sql.statement import Statement

# Each part has its index. One condition with OR would have PostgreSQL read the whole table.
_LOCK_ADDRESSES = Statement("""
SELECT id
  FROM users_devicetoken
 WHERE id = ANY(ARRAY(
       SELECT device_token_id FROM user_sessions_session WHERE id = ANY(%(sessions)s::uuid[])
        UNION
       SELECT t.id
         FROM user_sessions_session s JOIN users_devicetoken t ON t.device_id = s.device_id
        WHERE s.id = ANY(%(sessions)s::uuid[])
        UNION
       SELECT id FROM users_devicetoken WHERE digest = %(digest)s::bytea
        UNION
       SELECT id FROM users_devicetoken WHERE user_id = %(user)s))
 ORDER BY id
   FOR NO KEY UPDATE
""")


def lock_sessions(sessions: QuerySet[Session]) -> dict[UUID, Session]:
    """Lock ``sessions`` until the transaction ends; returns them as they are now, by their ids."""
    return {row.pk: row for row in sessions.order_by("pk").select_for_update(of=("self",), no_key=True)}


def lock_addresses_of(sessions: Iterable[UUID], *, digest: bytes | None = None, user_id: str | None = None) -> None:
    """Lock each push address that the end of one of ``sessions`` may write, the one of ``digest``, and the user's.

    For a transaction that writes more of them than `end_sessions` does: it locks all of them at once.
    """
    _LOCK_ADDRESSES.fetch_all(sessions=list(sessions), digest=digest, user=user_id)
