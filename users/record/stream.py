"""The record's entries as lines of the log, with the logger `zapauth.record`."""

import logging
from functools import partial
from uuid import UUID

from django.db import connection, transaction

from users.counting import entry_written
from users.origin import NOWHERE, Origin

logger = logging.getLogger("zapauth.record")


def log_entry(
    event: str,
    outcome: str,
    *,
    user: str | None = None,
    actor: str | None = None,
    session: UUID | None = None,
    app: str | None = None,
    origin: Origin = NOWHERE,
) -> None:
    """Log and count one entry when the open transaction commits, or at once if none is open. A rollback logs nothing.

    The parameters take ids and no texts of users, so a line can contain neither a secret nor an email.

    Args:
        user: whose account it is. actor: who ordered it, if it is on record.
        origin: the request that ordered it. Empty: the request that this thread answers now, if any.
    """
    entry_written(event)
    if not logger.isEnabledFor(logging.INFO):
        return
    facts: dict[str, object] = {"event": event, "outcome": outcome, "user": user, "actor": actor}
    facts |= {"session": session, "app": app, "ip": origin.ip, "request_id": origin.request_id or None}
    tell = partial(logger.info, "%s %s", event, outcome, extra=facts)
    if connection.in_atomic_block:
        transaction.on_commit(tell)
    else:  # here `on_commit` would borrow a connection
        tell()
