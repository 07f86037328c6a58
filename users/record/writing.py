"""Write the record: what happened to an account, an app or a group, who ordered it, and from where."""

import json
from collections.abc import Iterable
from typing import Any, NamedTuple, TypedDict
from uuid import UUID

from django.db import connection

from users.clock import DatabaseNow
from users.models.app import App
from users.models.security_event import OPERATOR_LENGTH, USER_AGENT_LENGTH, SecurityEvent
from users.models.user import User
from users.origin import NOWHERE, Origin
from users.record.events import Event
from users.record.masking import masked_text
from users.record.stream import log_entry
from users.statement import Statement
from users.transactions import tried_again


class By(TypedDict, total=False):
    """Who ordered a change, and from where: arguments of `record`."""

    actor: User | None
    operator: str
    origin: Origin
    session_id: UUID | None


JSON = str | int | float | bool | None | list["JSON"] | dict[str, "JSON"]

# It takes no lock that another transaction waits for: it only adds a row, and the table refers to no other.
# Without a transaction, it does not wait until the disk has written the row: then it tells a refused attempt, and many
# of them may come at once. If the database server crashes, the entries of the last second may be lost.
_WRITE = Statement("""
WITH quick AS MATERIALIZED (
    SELECT CASE WHEN %(alone)s::bool THEN set_config('synchronous_commit', 'off', true) END AS setting
)
INSERT INTO users_securityevent
       (at, event, outcome, user_id, actor_id, operator, session_id, app_id, ip, user_agent, request_id, details)
SELECT clock_timestamp(), %(event)s, %(outcome)s, %(user_id)s, %(actor_id)s, %(operator)s, %(session_id)s::uuid,
       %(app_id)s, %(ip)s::inet, %(user_agent)s, %(request_id)s, %(details)s::jsonb
  FROM quick WHERE setting IS DISTINCT FROM '' -- always true: the setting has to be read
""")


@tried_again
def record(
    event: Event,
    *,
    user: User | None = None,
    actor: User | None = None,
    operator: str = "",
    origin: Origin = NOWHERE,
    session_id: UUID | None = None,
    app: App | None = None,
    **details: Any,
) -> None:
    """Write one entry. It commits and rolls back with the open transaction, which must be that of the change itself.

    Args:
        user: whose account it is about.
        actor: who ordered it. None: a stranger, an operator, or the service itself.
        operator: who called the command, as user@host.
        session_id: the session that was used.
        details: more facts, without secrets. Emails and phone numbers in their texts are masked. Each value is
            a value of JSON.
    """
    _WRITE.fetch_all(
        alone=not connection.in_atomic_block,
        event=event.value,
        outcome=event.outcome.value,
        user_id=user.pk if user else None,
        actor_id=actor.pk if actor else None,
        operator=_text(operator)[:OPERATOR_LENGTH],
        session_id=session_id,
        app_id=app.pk if app else None,
        ip=origin.ip,
        user_agent=_text(origin.user_agent)[:USER_AGENT_LENGTH],
        request_id=origin.request_id,
        details=json.dumps(_clean(details), ensure_ascii=False),
    )
    log_entry(
        event.value,
        event.outcome.value,
        user=user.pk if user else None,
        actor=actor.pk if actor else None,
        session=session_id,
        app=app.pk if app else None,
        origin=origin,
    )


class Subject(NamedTuple):
    """One of many that an event is about: a user, a session of theirs, and more facts."""

    user_id: str | None
    session_id: UUID | None
    details: dict[str, Any]


def record_each(event: Event, subjects: Iterable[Subject], *, app: App, origin: Origin) -> None:
    """Write one entry for each of ``subjects``, by one statement. The rest is as in `record`. An app ordered it."""
    entries = [
        SecurityEvent(
            at=DatabaseNow(),
            event=event.value,
            outcome=event.outcome.value,
            user_id=user_id,
            session_id=session_id,
            app=app,
            ip=origin.ip,
            user_agent=_text(origin.user_agent)[:USER_AGENT_LENGTH],
            request_id=origin.request_id,
            details=_clean(details),
        )
        for user_id, session_id, details in subjects
    ]
    SecurityEvent.objects.bulk_create(entries)
    for each in entries:
        ids = {"user": each.user_id, "session": each.session_id, "app": app.pk}
        log_entry(each.event, each.outcome, **ids, origin=origin)


def _text(text: str) -> str:
    # PostgreSQL stores neither NUL nor half of a surrogate pair.
    return text.replace("\0", "").encode(errors="replace").decode()


def _clean(value: Any) -> JSON:
    if isinstance(value, str):
        return masked_text(_text(value))
    if isinstance(value, list):
        return [_clean(each) for each in value]
    return {_text(name): _clean(each) for name, each in value.items()} if isinstance(value, dict) else value
