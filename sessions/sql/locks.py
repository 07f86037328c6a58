"""Row locks. Every transaction takes them in the same order; docs/architecture.md has the table.

The order is: apps, users, codes, bulk runs, sessions, devices, device tokens, throttles. The rows of one table are
locked in the order of their keys. Each lock is FOR NO KEY UPDATE. So other transactions can insert rows that
point at a locked one, such as a session that is opened from it.
"""

from collections.abc import Iterable
from uuid import UUID

from django.db.models import QuerySet

from sessions.models import Session
from users.statement import Statement

# Four queries, so that each can use its index. One condition with OR would read the whole table.
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
    """Lock ``sessions`` until the transaction ends. Returns: their rows after the lock, by id."""
    return {row.pk: row for row in sessions.order_by("pk").select_for_update(of=("self",), no_key=True)}


def lock_addresses_of(sessions: Iterable[UUID], *, digest: bytes | None = None, user_id: str | None = None) -> None:
    """Lock the device tokens that the end of ``sessions`` may write, the one with ``digest``, and those of the user.

    Call this if the transaction also writes other device tokens than `end_sessions` does. All of them must be locked at
    once, in the order of their keys.
    """
    _LOCK_ADDRESSES.fetch_all(sessions=list(sessions), digest=digest, user=user_id)
